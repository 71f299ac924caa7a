import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { SignJWT } from "jose";
import { connect, type Socket } from "node:net";
import { openGateway } from "../../supabase/local/gateway.ts";
import { IsolatePool } from "../../supabase/local/isolate_pool.ts";
import { createKeys, hmacKey, type ProjectKeys } from "../../supabase/local/keys.ts";
import { resignTokens } from "../../supabase/local/resign_tokens.ts";
import { serveSite } from "../../supabase/local/serve_site.ts";
import { createStage } from "../../supabase/local/stage.ts";
import { within } from "../support/within.ts";
import { FUNCTIONS } from "./fixtures/mod.ts";

const ROOT = new URL("../../", import.meta.url);

const NO_FAULTS = {
  broadcasts() {},
  counts: () => ({ dropped: 0, doubled: 0, delayed: 0, reordered: 0 }),
  cutSockets: () => 0,
  closeChannels: () => 0,
  failChannels: () => 0,
};

/** A gateway before one function, which verifies no tokens itself, and before a page. */
async function start(keys: ProjectKeys, site: URL) {
  const gateway = await openGateway(0);
  const pool = new IsolatePool({
    function: { name: "locked", entrypoint: new URL("sockets/index.ts", FUNCTIONS), verifyJwt: true },
    isolates: 1,
    wallClockMs: 60_000,
    deno: Deno.execPath(),
    env: { PATH: Deno.env.get("PATH")!, HOME: Deno.env.get("HOME")! },
    log: () => {},
  });
  const url = `http://127.0.0.1:${gateway.port}`;
  const gone = () => Promise.reject(new Error("the database is gone"));
  const functions = new Map([["locked", { pool, verifyJwt: true }]]);
  gateway.serve({
    lite: { fetch: gone, reloadSchema: gone },
    realtime: {
      answer: gone,
      upgrade() {},
      close() {},
      count: () => ({ connections: 0, channels: 0 }),
      faults: NO_FAULTS,
    },
    tokens: await resignTokens(keys, { issuer: `${url}/auth/v1`, algorithm: "ES256" }),
    jwks: { keys: [] },
    functions,
    stage: createStage({ functions, realtime: { faults: NO_FAULTS } }),
    site: serveSite(site, new URL("deno.json", ROOT)),
    siteConfig: { publishableKey: keys.publishableKey },
    log: () => {},
  });
  return {
    url,
    async [Symbol.asyncDispose]() {
      await gateway.close();
      await gateway.close();
      await pool.close();
    },
  };
}

Deno.test("the gateway", async (t) => {
  const keys = await createKeys();
  const folder = await Deno.makeTempDir();
  await Deno.writeTextFile(`${folder}/index.html`, "<!doctype html><title>here</title>");
  await Deno.writeTextFile(
    `${folder}/main.ts`,
    `import { ok } from "${ROOT.pathname}shared/protocol/result.ts";\nok(1);`,
  );
  {
    await using gateway = await start(keys, new URL(`file://${folder}/`));
    const ask = (path: string, headers?: Record<string, string>, method = "GET") =>
      fetch(gateway.url + path, { headers, method });

    await t.step("asks for a token before a function with verify_jwt", async () => {
      const token = (secret: string, exp: number) =>
        new SignJWT({ role: "authenticated" }).setProtectedHeader({ alg: "HS256" }).setExpirationTime(exp)
          .sign(hmacKey({ jwtSecret: secret }));
      const inAnHour = Date.now() / 1000 + 3_600;
      const cases: [bearer: string | undefined, method: string, status: number][] = [
        [undefined, "GET", 401],
        ["nonsense", "GET", 401],
        [await token("another secret", inAnHour), "GET", 401],
        [await token(keys.jwtSecret, 1), "GET", 401],
        [await token(keys.jwtSecret, inAnHour), "GET", 200],
        [keys.anonKey, "GET", 200],
        [undefined, "OPTIONS", 200],
      ];
      for (const [bearer, method, status] of cases) {
        const headers = bearer === undefined ? undefined : { authorization: `Bearer ${bearer}` };
        const response = await ask("/functions/v1/locked", headers, method);
        await response.body?.cancel();
        assertEquals(response.status, status, `${method} with ${bearer}`);
      }
    });

    await t.step("serves the page, and its scripts as one file", async () => {
      const page = await ask("/");
      assertEquals(page.headers.get("content-type"), "text/html; charset=UTF-8");
      assertStringIncludes(await page.text(), "<title>here</title>");
      const script = await ask("/main.js");
      assert(script.headers.get("content-type")!.startsWith("text/javascript"));
      const text = await script.text();
      assert(text.includes("value:") && !text.includes("import"), text);
      assertEquals((await (await ask("/config.json")).json()).publishableKey, keys.publishableKey);
      for (const path of ["/none.js", "/main.ts", "/..%2fdeno.json", "/sub/main.js"]) {
        const response = await ask(path);
        await response.body?.cancel();
        assertEquals(response.status, 404, path);
      }
    });

    await t.step("says what failed", async () => {
      const response = await ask("/rest/v1/notes");
      assertEquals(response.status, 500);
      assertStringIncludes((await response.json()).detail, "the database is gone");
    });

    await t.step("refuses a port that is taken", async () => {
      await assertRejects(() => openGateway(Number(new URL(gateway.url).port)), Deno.errors.AddrInUse);
    });
  }
  await Deno.remove(folder, { recursive: true });
});

Deno.test("a client that resets its upgrade before the backends are there ends nothing", async () => {
  const gateway = await openGateway(0);
  const client = await send(gateway.port, UPGRADE);
  await roundTrip(gateway.port); // What came before it has been read by then: the upgrade waits.
  client.resetAndDestroy();
  await roundTrip(gateway.port);
  await gateway.close();
});

const UPGRADE = "GET /functions/v1/echo HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";

/** A connection over which `text` has been sent. */
function send(port: number, text: string): Promise<Socket> {
  const socket = connect({ host: "127.0.0.1", port });
  return new Promise((resolve, reject) => {
    socket.on("error", reject);
    socket.write(text, () => resolve(socket));
  });
}

/** Sends what no backend is asked for, as it is no HTTP, and waits for the server's answer. */
async function roundTrip(port: number): Promise<void> {
  const socket = await send(port, "nonsense\r\n\r\n");
  await within("the server answers", new Promise((resolve) => socket.on("close", resolve).resume()));
}
