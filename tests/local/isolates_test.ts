import { assert, assertEquals, assertMatch } from "@std/assert";
import { connect } from "node:net";
import type { LocalOptions } from "../../supabase/local/start_local.ts";
import { denoPath, HOSTED_DENO } from "../support/deno_versions.ts";
import { eventually } from "../support/eventually.ts";
import { startTestLocal, type TestLocal } from "../support/start_local.ts";
import { FUNCTIONS, NO_MIGRATIONS } from "./fixtures/mod.ts";

const OPTIONS: LocalOptions = { functionsDir: FUNCTIONS, migrationsDir: NO_MIGRATIONS };

/** A socket to the function `sockets`, and what came over it. */
interface Opened {
  socket: WebSocket;
  /** The isolate that holds it. */
  isolate: string;
  messages: string[];
  closed: Promise<CloseEvent>;
}

async function open(local: TestLocal, query = ""): Promise<Opened> {
  const socket = new WebSocket(local.socketUrl(`sockets${query}`));
  const messages: string[] = [];
  const closed = Promise.withResolvers<CloseEvent>();
  socket.onmessage = ({ data }) => messages.push(data);
  socket.onclose = closed.resolve;
  const [isolate] = await eventually("the socket's first message", () => messages.length > 0 && messages);
  return { socket, isolate: isolate!.replace("isolate ", ""), messages, closed: closed.promise };
}

/** What the log says when an isolate is gone: why, and at which age at the earliest; later is the machine's own doing. */
async function assertEnded(local: TestLocal, isolate: string, reason: string, leastMs = 0): Promise<void> {
  const start = `isolate ${isolate.slice(0, 8)} ended after `;
  const line = await eventually("its end is logged", () => local.logged.find((line) => line.includes(start)), {
    deadlineMs: 30_000,
  });
  const [, seconds, said] = /ended after (\S+) s: (\w+)$/.exec(line) ?? [];
  assertEquals(said, reason);
  assert(Number(seconds) * 1_000 >= leastMs, line);
}

/** A connection that broke without a close frame: 1006 in browsers, 0 in Deno's own client. */
function assertBroken({ code, wasClean }: { code: number; wasClean: boolean }): void {
  assertEquals([code, wasClean], [0, false]);
}

async function ask(local: TestLocal, path = "sockets", init?: RequestInit) {
  const response = await fetch(`${local.url}/functions/v1/${path}`, init);
  return { status: response.status, body: await response.json() };
}

for (const version of [Deno.version.deno, HOSTED_DENO]) {
  Deno.test(`an isolate on Deno ${version} has the platform's environment, path and headers`, async () => {
    await using local = await startTestLocal({ ...OPTIONS, deno: await denoPath(version), env: { MY_OWN: "1" } });
    const { status, body } = await ask(local, "sockets/a%20b?x=1&y=%2F", {
      method: "POST",
      body: "text",
      headers: { "x-forwarded-for": "1.2.3.4", "x-own": "yes" },
    });
    const { host } = new URL(local.url);
    assertEquals([status, body.path, body.method, body.body], [200, "/sockets/a%20b?x=1&y=%2F", "POST", "text"]);
    assertEquals([body.headers.host, body.headers["x-forwarded-host"], body.headers["x-own"]], [host, host, "yes"]);
    assertEquals([body.headers["x-forwarded-for"], body.headers["x-forwarded-proto"]], ["127.0.0.1", "http"]);
    const { env } = body;
    assertEquals([env.SUPABASE_URL, env.SB_REGION, env.MY_OWN], [local.url, "local", "1"]);
    assertEquals([env.SUPABASE_ANON_KEY, env.SUPABASE_SERVICE_ROLE_KEY], [local.anonKey, local.serviceRoleKey]);
    assertEquals(JSON.parse(env.SUPABASE_PUBLISHABLE_KEYS), { default: local.publishableKey });
    assertEquals(JSON.parse(env.SUPABASE_SECRET_KEYS), { default: local.secretKey });
    assertEquals(env.SB_EXECUTION_ID, local.isolates()[0]!.id);
    assertEquals([env.ISOLATE_WALL_CLOCK_MS, env.SUPABASE_DB_URL], ["150000", undefined]);
    const keySet = await (await fetch(`${local.url}/auth/v1/.well-known/jwks.json`)).json();
    assertEquals(JSON.parse(env.SUPABASE_JWKS), keySet);
    assertEquals(Object.keys(env).filter((name) => !/^(SUPABASE|SB|DENO|OPENAI|NPM)_/.test(name)).sort(), [
      ...["HOME", "ISOLATE_WALL_CLOCK_MS", "MY_OWN", "NO_COLOR", "PATH"].filter((name) => name in env),
    ]);
  });

  Deno.test(`a socket on Deno ${version} passes frames and close codes, both ways`, async () => {
    await using local = await startTestLocal({ ...OPTIONS, deno: await denoPath(version) });
    const { socket, messages, closed } = await open(local);
    const big = "x".repeat(1_000_000);
    socket.send(big);
    socket.send("bye");
    const { code, reason, wasClean } = await closed;
    assertEquals([code, reason, wasClean], [4000, "as asked", true]);
    assertEquals(messages.slice(1), [big]);
  });
}

Deno.test("the address that a plain GET is told is one that connects", async () => {
  await using local = await startTestLocal({ migrationsDir: NO_MIGRATIONS });
  for (const name of local.functions) {
    const { status, body } = await ask(local, `${name}?x=1`);
    assertEquals([status, body.connect], [426, local.socketUrl(name)]);
    const opened = Promise.withResolvers<void>();
    const socket = new WebSocket(body.connect);
    socket.onopen = () => opened.resolve();
    socket.onerror = (event) => opened.reject((event as ErrorEvent).error);
    await opened.promise;
    socket.close();
  }
});

Deno.test("a retired isolate takes no requests and is dropped when nothing is pending, open sockets or not", async () => {
  await using local = await startTestLocal({ ...OPTIONS, wallClockMs: 6_000 });
  const { isolate, messages, closed } = await open(local);
  assertBroken(await closed);
  assertEquals(messages.slice(1), ["beforeunload early_drop"]);
  await assertEnded(local, isolate, "early_drop", 3_000);
  const next = await ask(local);
  assert(next.body.isolate !== isolate);
});

Deno.test("what is pending in waitUntil keeps a retired isolate: beforeunload at 90 %, killed at 100 %", async () => {
  await using local = await startTestLocal({ ...OPTIONS, wallClockMs: 10_000 });
  const { isolate, messages, closed } = await open(local, "?hold");
  const stateOf = () => local.isolates().find(({ id }) => id === isolate)?.state;
  await eventually("the isolate is retired", () => stateOf() === "retired");
  assert((await ask(local)).body.isolate !== isolate);
  assertBroken(await closed);
  assertEquals(messages.slice(1), ["beforeunload wall_clock"]);
  await assertEnded(local, isolate, "wall_clock", 10_000);
});

Deno.test("a retired isolate is dropped as soon as its last waitUntil promise settles", async () => {
  await using local = await startTestLocal({ ...OPTIONS, wallClockMs: 12_000 });
  const { socket, isolate } = await open(local, "?hold");
  await eventually(
    "the isolate is retired",
    () => local.isolates().some((i) => i.id === isolate && i.state === "retired"),
    { deadlineMs: 20_000 },
  );
  socket.close();
  await assertEnded(local, isolate, "early_drop", 6_000);
});

Deno.test("a promise that was settled already pins an isolate to its end", async () => {
  await using local = await startTestLocal({ ...OPTIONS, wallClockMs: 6_000 });
  const { body } = await ask(local, "sockets?settled");
  await assertEnded(local, body.isolate, "wall_clock", 6_000);
});

Deno.test("an isolate near its CPU limit is told and takes no requests, and at the limit it is killed", async () => {
  await using local = await startTestLocal({ ...OPTIONS, cpuLimitMs: 1_000 });
  const { isolate, messages, closed } = await open(local, "?hold");
  await eventually("beforeunload", async () => {
    if ((await ask(local, "sockets?burn=30")).body.isolate !== isolate) return true;
    return messages.includes("beforeunload cpu");
  }, { deadlineMs: 60_000 });
  await eventually("its message", () => messages.includes("beforeunload cpu"));
  assert((await ask(local)).body.isolate !== isolate);
  local.killIsolate(isolate);
  assertBroken(await closed);

  const next = await open(local, "?hold");
  const burnt = await ask(local, "sockets?burn=20000");
  assertEquals([burnt.status, burnt.body.code], [546, "WORKER_LIMIT"]);
  assertBroken(await next.closed);
  await assertEnded(local, next.isolate, "cpu");
});

Deno.test("an answer to an upgrade that is not 101 becomes an empty 502", async () => {
  await using local = await startTestLocal(OPTIONS);
  const answer = await rawUpgrade(local, "/functions/v1/sockets?refuse");
  assertEquals(answer, "HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
  assert(local.logged.includes("sockets | answered 401 to an upgrade: the client sees an empty 502"));
  const plain = await fetch(`${local.url}/functions/v1/sockets?refuse`);
  assertEquals([plain.status, await plain.text()], [401, "no"]);
});

Deno.test("a killed isolate breaks its sockets and is replaced", async () => {
  await using local = await startTestLocal({ ...OPTIONS, isolates: 2 });
  const { isolate, closed } = await open(local, "?hold");
  const { pid } = local.isolates().find(({ id }) => id === isolate)!;
  Deno.kill(pid, "SIGKILL");
  assertBroken(await closed);
  assert((await ask(local)).body.isolate !== isolate);
  await eventually("two isolates serve", () => serving(local).length === 2);
});

Deno.test("the isolates of a function are taken in turn", async () => {
  await using local = await startTestLocal({ ...OPTIONS, isolates: 3 });
  await eventually("three isolates serve", () => serving(local).length === 3);
  const seen: string[] = [];
  for (let i = 0; i < 6; i++) seen.push((await ask(local)).body.isolate);
  assertEquals(new Set(seen.slice(0, 3)).size, 3);
  assertEquals(seen.slice(3), seen.slice(0, 3));
});

Deno.test("a function that cannot start answers 503 BOOT_ERROR, and says why in the log", async () => {
  await using local = await startTestLocal(OPTIONS);
  const { status, body } = await ask(local, "broken");
  assertEquals([status, body.code], [503, "BOOT_ERROR"]);
  assert(local.logged.some((line) => line.includes("broken | ") && line.includes("This function cannot start")));
  assertMatch(await rawUpgrade(local, "/functions/v1/broken"), /^HTTP\/1\.1 502 /);
});

Deno.test("what is not there is said plainly", async () => {
  await using local = await startTestLocal(OPTIONS);
  assertEquals(await ask(local, "nothing"), {
    status: 404,
    body: { code: "NOT_FOUND", message: "Requested function was not found" },
  });
  const storage = await fetch(`${local.url}/storage/v1/object`);
  assertEquals([storage.status, storage.headers.get("content-type")], [404, "application/problem+json"]);
  assertMatch((await storage.json()).detail, /answers under \/auth\/v1, .*, not under \/storage\/v1\/object\.$/);
  assertMatch(await rawUpgrade(local, "/storage/v1"), /^HTTP\/1\.1 404 [\s\S]*not under \/storage\/v1/);
});

Deno.test("a function's console goes to the log, under its name", async () => {
  const folder = await functionsFolder({ talk: `console.log("one\\ntwo"); console.error("three"); ${SERVE_OK}` });
  await using local = await startTestLocal({ ...OPTIONS, functionsDir: folder.url });
  await eventually("the lines", () => local.logged.length === 3);
  assertEquals([...local.logged].sort(), ["talk | one", "talk | three", "talk | two"]);
  await folder.remove();
});

Deno.test("a changed file replaces the isolates, a broken one keeps the old code", async () => {
  const folder = await functionsFolder({ hello: `Deno.serve(() => new Response("one"));` });
  await using local = await startTestLocal({ ...OPTIONS, functionsDir: folder.url, watch: true });
  const hello = async () => await (await fetch(`${local.url}/functions/v1/hello`)).text();
  assertEquals(await hello(), "one");

  await folder.write("hello", `Deno.serve(() => new Response("two"));`);
  await eventually("the new code answers", async () => await hello() === "two");
  assert(local.logged.some((line) => /^reloaded 1 of 1 functions in \d+ ms as .*hello\/index\.ts changed$/.test(line)));

  await folder.write("hello", `Deno.serve(() => new Response("three"`);
  await eventually("the error is said", () => local.logged.some((line) => line.includes("keeps its old code")));
  assertEquals(await hello(), "two");
  await folder.remove();
});

Deno.test("an isolate that is replaced is told so, and ends when its sockets have gone", async () => {
  const source = await Deno.readTextFile(new URL("sockets/index.ts", FUNCTIONS));
  const folder = await functionsFolder({ sockets: source });
  await using local = await startTestLocal({ ...OPTIONS, functionsDir: folder.url, watch: true });
  const { socket, isolate, messages } = await open(local, "?hold");
  await folder.write("sockets", `${source}\n`);
  await eventually("beforeunload", () => messages.includes("beforeunload termination"));
  assert((await ask(local)).body.isolate !== isolate);
  socket.close();
  await eventually("it is gone", () => local.isolates().every(({ id }) => id !== isolate));
  await folder.remove();
});

const SERVE_OK = `Deno.serve(() => new Response("ok"));`;

async function functionsFolder(functions: Record<string, string>) {
  const path = await Deno.makeTempDir();
  const write = async (name: string, source: string) => {
    await Deno.mkdir(`${path}/${name}`, { recursive: true });
    await Deno.writeTextFile(`${path}/${name}/index.ts`, source);
  };
  for (const [name, source] of Object.entries(functions)) await write(name, source);
  return { url: new URL(`file://${path}/`), write, remove: () => Deno.remove(path, { recursive: true }) };
}

function serving(local: TestLocal) {
  return local.isolates().filter(({ state, function: name }) => state === "serving" && name === "sockets");
}

/** All that comes back to an upgrade request that is refused. */
function rawUpgrade(local: TestLocal, path: string): Promise<string> {
  const { hostname, port, host } = new URL(local.url);
  return new Promise((resolve, reject) => {
    let answer = "";
    const socket = connect({ host: hostname, port: Number(port) });
    socket.on("error", reject);
    socket.on("data", (chunk) => answer += chunk);
    socket.on("close", () => resolve(answer));
    socket.write(
      `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    );
  });
}
