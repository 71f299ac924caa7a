import { assert, assertEquals, assertThrows } from "@std/assert";
import { readsErrorFrames, supabaseUpstream } from "../../shared/relay/supabase_upstream.ts";
import { openSocket } from "../support/socket.ts";
import { claimsOf, makeKey, sign } from "../auth/tokens.ts";
import { startRelayProcess } from "./start_relay_process.ts";
import { startStandIn } from "./stand_in_upstream.ts";
import { HOSTED_DENO } from "../support/deno_versions.ts";

const PUBLISHABLE = "sb_publishable_own";
const SECRET = "sb_secret_not_for_anyone";
const SERVICE_ROLE = await sign(
  await makeKey("ES256", "project"),
  claimsOf("https://project.example", Date.now(), { role: "service_role" }),
);
const PATH = "/realtime/v1/websocket";
const VERSIONS = [...new Set([Deno.version.deno, HOSTED_DENO])];

function dial(query: string, path = PATH, supabaseUrl = "https://project.example"): string | undefined {
  const upstream = supabaseUpstream({ supabaseUrl, apiKey: PUBLISHABLE });
  const address = upstream.address(path, new URLSearchParams(query));
  assertEquals(address?.protocols ?? [], []);
  return address?.url.href;
}

const queries: { query: string; passed: string }[] = [
  { query: "", passed: "" },
  { query: "vsn=1.0.0", passed: "vsn=1.0.0&" },
  { query: "apikey=other&vsn=2.0.0&log_level=info", passed: "vsn=2.0.0&log_level=info&" },
  { query: "jwt=T&token=T&vsn=2.0.0", passed: "vsn=2.0.0&" },
  { query: "JWT=T&ApiKey=K&Token=T", passed: "" },
  { query: "a=1&a=2", passed: "a=1&a=2&" },
  { query: "a=%26apikey%3Dx", passed: "a=%26apikey%3Dx&" },
  { query: `apikey=${SECRET}&apikey=${SERVICE_ROLE}`, passed: "" },
  { query: `a=${SECRET}&b=${SERVICE_ROLE}&vsn=2.0.0`, passed: "vsn=2.0.0&" },
];

for (const { query, passed } of queries) {
  Deno.test(`supabaseUpstream() passes on "${passed}" of "${query.slice(0, 60)}", and adds the publishable key`, () => {
    assertEquals(dial(query), `wss://project.example${PATH}?${passed}apikey=${PUBLISHABLE}`);
  });
}

for (const path of ["", "/", "/realtime/v1", `${PATH}/`, "/rest/v1/rooms", "/realtime/v1/api/broadcast", `/x${PATH}`]) {
  Deno.test(`supabaseUpstream() has no address at "${path}"`, () => assertEquals(dial("vsn=2.0.0", path), undefined));
}

Deno.test("supabaseUpstream() dials ws:// where the project has http://, below a path where it has one", () => {
  assertEquals(dial("", PATH, "http://127.0.0.1:9"), `ws://127.0.0.1:9${PATH}?apikey=${PUBLISHABLE}`);
  assertEquals(dial("", PATH, "https://h.example/api/"), `wss://h.example/api${PATH}?apikey=${PUBLISHABLE}`);
});

for (const apiKey of [SECRET, SERVICE_ROLE]) {
  Deno.test(`supabaseUpstream() refuses to start with ${apiKey.slice(0, 10)}…, and does not quote it`, () => {
    const start = () => supabaseUpstream({ supabaseUrl: "https://project.example", apiKey });
    const error = assertThrows(start, RangeError, "SUPABASE_ANON_KEY, must not hold a secret key") as Error;
    assert(!error.message.includes(apiKey));
  });
}

Deno.test("readsErrorFrames() is true of all but Realtime's clients", () => {
  const reads = (path: string) => readsErrorFrames(new Request(`http://h${path}`));
  assertEquals([reads("/relay/supabase"), reads(`/relay/supabase${PATH}?vsn=2.0.0`)], [false, false]);
  assertEquals([reads("/relay/openai"), reads("/relay"), reads("/relay/openai/supabase")], [true, true, true]);
});

for (const version of VERSIONS) {
  Deno.test(`functions/relay on Deno ${version} brings a client to Realtime without its token and its service key`, async () => {
    await using realtime = startStandIn();
    await using relay = await startRelayProcess(version, {
      SUPABASE_URL: realtime.url,
      SUPABASE_ANON_KEY: PUBLISHABLE,
      SUPABASE_SERVICE_ROLE_KEY: SECRET,
    });
    await using client = await openSocket(relay.socketUrl(`/supabase${PATH}?apikey=${SECRET}&vsn=2.0.0`));
    const frame = `["1","1","realtime:a","phx_join",{}]`;
    client.send(frame);
    assertEquals(await client.next(), frame);
    client.send(new Uint8Array([3, 0, 255]));
    assertEquals(new Uint8Array(await client.next() as ArrayBuffer), new Uint8Array([3, 0, 255]));
    const { address, protocols } = await realtime.next();
    assertEquals({ address, protocols }, { address: `${PATH}?vsn=2.0.0&apikey=${PUBLISHABLE}`, protocols: null });

    for (const path of ["", "/rest/v1/rooms", "/realtime/v1/api/broadcast"]) {
      const refused = await openSocket(relay.socketUrl(`/supabase${path}`));
      const reason = `upstream_not_found: There is nothing at this path of the upstream "supabase"`;
      assertEquals(await refused.closed, { code: 4404, reason });
      assertEquals(refused.waiting, [], "a frame would be no message of Realtime");
    }
    const stranger = await openSocket(`ws://${relay.host}/relay/supabase${PATH}?apikey=${SECRET}&vsn=2.0.0`);
    assertEquals((await stranger.closed).code, 4401);
    assertEquals(stranger.waiting, []);
    assertEquals(realtime.dialled.length, 1);
    assertEquals(relay.printed.filter((line) => line.includes(SECRET) || line.includes(relay.token)), []);
  });
}
