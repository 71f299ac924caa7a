import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { StoreUnavailable } from "../../shared/store/store.ts";
import { mayPass } from "../../shared/store/supabase_rpc.ts";
import { supabaseStore } from "../../shared/store/supabase_store.ts";

const SECRET = "sb_secret_of_this_test";

Deno.test("mayPass() tells what waiting mends from what it does not", () => {
  const cases: [number, string, boolean][] = [
    [408, "", true],
    [429, "", true],
    [500, "XX000", true],
    [503, "PGRST001", true],
    [400, "40P01", true],
    [400, "55P03", true],
    [400, "57P01", true],
    [400, "08006", true],
    [400, "53300", true],
    [400, "22P02", false],
    [401, "PGRST301", false],
    [403, "42501", false],
    [404, "PGRST202", false],
  ];
  for (const [status, code, expected] of cases) assertEquals(mayPass(status, code), expected, `${status} ${code}`);
});

Deno.test("supabaseStore() rejects with StoreUnavailable where the database cannot be reached or does not answer", async (t) => {
  const answers: Record<string, (request: Request) => Response | Promise<Response>> = {
    "an answer of 503": () => Response.json({ code: "PGRST001", message: "no connection" }, { status: 503 }),
    "a proxy's page": () => new Response("<html>Bad gateway</html>", { status: 502 }),
    "a lock that was not got": () => Response.json({ code: "55P03", message: "lock timeout" }, { status: 400 }),
    "no answer in time": (request) =>
      new Promise((resolve) => request.signal.addEventListener("abort", () => resolve(new Response()))),
  };
  for (const [name, answer] of Object.entries(answers)) {
    await t.step(name, async () => {
      await using server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, answer);
      const url = `http://127.0.0.1:${server.addr.port}`;
      const store = supabaseStore({ url, secretKey: SECRET, timeoutMs: 300 });
      const error = await assertRejects(() => store.heads(["room"], []), StoreUnavailable) as Error;
      assert(error.message.startsWith("Cannot call chat_heads: "), error.message);
      assert(!error.message.includes(SECRET), error.message);
    });
  }
  await t.step("nobody there", async () => {
    const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, () => new Response());
    const url = `http://127.0.0.1:${server.addr.port}`;
    await server.shutdown();
    await assertRejects(() => supabaseStore({ url, secretKey: SECRET }).heads(["room"], []), StoreUnavailable);
  });
});

Deno.test("supabaseStore() rejects with another error where waiting does not help", async () => {
  const answer = () => Response.json({ code: "PGRST202", message: "Could not find the function" }, { status: 404 });
  await using server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, answer);
  const store = supabaseStore({ url: `http://127.0.0.1:${server.addr.port}`, secretKey: SECRET });
  const error = await assertRejects(() => store.heads(["room"], []), Error, "Could not find the function");
  assertEquals(error instanceof StoreUnavailable, false);
});

Deno.test("supabaseStore() sends the secret key, and nothing for what it can refuse itself", async () => {
  const seen: string[] = [];
  const answer = (request: Request) => {
    seen.push(`${request.headers.get("apikey")} ${new URL(request.url).pathname}`);
    return Response.json(null);
  };
  await using server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, answer);
  const store = supabaseStore({ url: `http://127.0.0.1:${server.addr.port}`, secretKey: SECRET });
  const ann = { id: "00000000-0000-4000-8000-00000000000a" };
  await store.post([{ kind: "delete", actor: { id: "ann" }, message_id: ann.id }]);
  await store.join(ann, "no room", { createRooms: true });
  await store.openDirect(ann, "bob");
  await store.eventsSince("no room", 0, 1);
  await store.history("ann", "room", undefined, 1);
  await store.unread("ann");
  await store.heads(["no room"], ["ann"]);
  assertEquals(seen, []);
  assertEquals(await store.eventsSince("room", 0, 1), undefined);
  assertEquals(seen, [`${SECRET} /rest/v1/rpc/chat_events_since`]);
});

Deno.test("supabaseStore() sends a key that is a token as Bearer too, a new one never, and neither to where it is led", async () => {
  const seen: [path: string, apikey: string | null, authorization: string | null][] = [];
  await using elsewhere = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, ({ url, headers }) => {
    seen.push([new URL(url).pathname, headers.get("apikey"), headers.get("authorization")]);
    return Response.json(null);
  });
  const there = `http://127.0.0.1:${elsewhere.addr.port}`;
  for (const secretKey of [SECRET, "header.claims.signature"]) {
    assertEquals(await supabaseStore({ url: `${there}/`, secretKey }).eventsSince("room", 0, 1), undefined);
  }
  const path = "/rest/v1/rpc/chat_events_since";
  const expected = [[path, SECRET, null], [path, "header.claims.signature", "Bearer header.claims.signature"]];
  assertEquals(seen, expected);

  const answer = () => Response.redirect(`${there}/stolen`, 307);
  await using server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, answer);
  const store = supabaseStore({ url: `http://127.0.0.1:${server.addr.port}`, secretKey: SECRET });
  await assertRejects(() => store.eventsSince("room", 0, 1), StoreUnavailable);
  assertEquals(seen, expected);
});

Deno.test("supabaseStore() refuses a time limit that is none", () => {
  assertThrows(
    () => supabaseStore({ url: "http://127.0.0.1", secretKey: SECRET, timeoutMs: 0 }),
    RangeError,
    "'timeoutMs' must be > 0",
  );
});
