import { assert, assertEquals } from "@std/assert";
import { type Clock, install } from "@sinonjs/fake-timers";
import { type HandOverMessage, type LeaveMessage, refuse, relayTo } from "../../shared/connection/mod.ts";
import type { Processes } from "../../shared/process/mod.ts";
import { eventually } from "../support/eventually.ts";
import { CLOSE, RawSocket } from "../support/raw_socket.ts";
import { type Kernel, startKernel } from "./kernel.ts";

const START = Date.parse("2030-01-01T00:00:00Z");

/** Time that stands still unless told; sockets go on as ever. */
function stopTime(): Clock & Disposable {
  const clock = install({
    now: START,
    toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "Date", "performance"],
    // The runtime clears timers of its own by the same function.
    shouldClearNativeTimers: true,
  });
  return Object.assign(clock, { [Symbol.dispose]: () => clock.uninstall() });
}

function at(ms: number): string {
  return new Date(START + ms).toISOString();
}

Deno.test("a token that ends is announced 60 s before, and closes 4401 then", async () => {
  using clock = stopTime();
  const expires_at = at(100_000);
  await using kernel = startKernel(() => relayTo(target.pid, { metadata: { user_id: "ada", expires_at } }));
  const target = kernel.spawnTarget();
  await using client = await kernel.connect();
  await target.next("ws.join");
  clock.tick(39_999);
  await echoed(kernel, target, client);
  assertEquals(client.waiting, []);
  clock.tick(1);
  assertEquals(await client.nextJson(), { type: "token_expiring", expires_at });
  clock.tick(59_999);
  await echoed(kernel, target, client);
  clock.tick(1);
  assertEquals(await client.nextJson(), { type: "error", code: "token_expired", message: "The token has expired" });
  assertEquals(await client.closed, { code: 4401, reason: "token_expired: The token has expired" });
  assertEquals((await target.next("ws.leave")).reason, "token_expired");
  await onlyTheIsolates(clock);
});

Deno.test("a token with less than 60 s left is announced at once, one that has ended closes at once", async () => {
  using clock = stopTime();
  await using kernel = startKernel((_, request) =>
    relayTo(target.pid, { metadata: { expires_at: at(Number(new URL(request.url).pathname.slice(1))) } })
  );
  const target = kernel.spawnTarget();
  await using client = await kernel.connect("/30000");
  await target.next("ws.join");
  clock.tick(0);
  assertEquals((await client.nextJson()).type, "token_expiring");
  await using late = await kernel.connect("/-1");
  await target.next("ws.join");
  clock.tick(1);
  assertEquals((await late.closed).code, 4401);
});

Deno.test("ws.control with another expires_at puts the end of the token off, and one without it lifts it", async () => {
  using clock = stopTime();
  await using kernel = startKernel(() => relayTo(target.pid, { metadata: { expires_at: at(70_000) } }));
  const target = kernel.spawnTarget();
  await using client = await kernel.connect();
  const { client_pid } = await target.next("ws.join");
  kernel.processes.send(client_pid, "ws.control", { target_pid: target.pid, metadata: { expires_at: at(200_000) } });
  clock.tick(139_999);
  await echoed(kernel, target, client);
  clock.tick(1);
  assertEquals(await client.nextJson(), { type: "token_expiring", expires_at: at(200_000) });
  kernel.processes.send(client_pid, "ws.control", { target_pid: target.pid, metadata: {} });
  clock.tick(10_000_000);
  await echoed(kernel, target, client);
  assertEquals(client.waiting, []);
});

Deno.test("a target that hands over is asked to 60 s before a token of more than two minutes ends, and the client goes 1012", async () => {
  using clock = stopTime();
  await using kernel = startKernel((_, request) =>
    relayTo(target.pid, {
      controlFrames: false,
      handsOver: true,
      metadata: { expires_at: at(Number(new URL(request.url).pathname.slice(1))) },
    })
  );
  const target = kernel.spawnTarget();
  const quick = await kernel.connect("/200000");
  const busy = await kernel.connect("/200000");
  for (const _ of [quick, busy]) await target.next("ws.join");
  clock.tick(139_999);
  await echoed(kernel, target, quick);
  clock.tick(1);
  clock.tick(1);
  const asked: HandOverMessage[] = [await target.next("ws.hand_over"), await target.next("ws.hand_over")];
  assertEquals(asked.map(({ reason }) => reason), ["token_expiring", "token_expiring"]);
  asked[0]!.ready();
  assertEquals((await target.next("ws.leave")).client_pid, asked[0]!.client_pid);
  clock.tick(29_998);
  assertEquals(kernel.processes.isAlive(asked[1]!.client_pid), true);
  clock.tick(1);
  for (const client of [quick, busy]) {
    assertEquals(await client.closed, { code: 1012, reason: "hand_over: token_expiring" });
    assertEquals(client.waiting, []);
  }
  assertEquals((await target.next("ws.leave")).reason, "hand_over");

  // Back with the token that it had: it is served until that ends.
  const again = await kernel.connect("/200000");
  const short = await kernel.connect("/290000");
  for (const _ of [again, short]) await target.next("ws.join");
  clock.tick(29_999);
  await echoed(kernel, target, again);
  clock.tick(1);
  assertEquals(await again.closed, { code: 4401, reason: "token_expired: The token has expired" });
  clock.tick(89_999);
  await echoed(kernel, target, short);
  clock.tick(1);
  assertEquals((await short.closed).code, 4401);
  assert(!target.heard.slice(-4).some(({ topic }) => topic === "ws.hand_over"), "nobody is handed over in a loop");
});

Deno.test("an expires_at beyond what a timer holds, or that is no date, ends nothing", async () => {
  using clock = stopTime();
  const dates = ["2099-01-01T00:00:00Z", "soon", 17];
  await using kernel = startKernel(() => relayTo(target.pid, { metadata: { expires_at: dates.pop() } }), {
    maxLifetimeMs: 2 ** 33,
    maxSilenceMs: 2 ** 34,
    heartbeatIntervalMs: 2 ** 33,
  });
  const target = kernel.spawnTarget();
  for (let i = 0; i < 3; i++) {
    await using client = await kernel.connect();
    await target.next("ws.join");
    clock.tick(20_000);
    await echoed(kernel, target, client);
    assertEquals([client.waiting, target.heard.filter(({ topic }) => topic === "ws.heartbeat")], [[], []]);
  }
});

Deno.test("a client that is silent for maxSilenceMs is closed 4408; any frame of it counts", async () => {
  using clock = stopTime();
  await using kernel = startKernel(() => relayTo(target.pid), { maxSilenceMs: 60_000 });
  const target = kernel.spawnTarget();
  await using client = await kernel.connect();
  await target.next("ws.join");
  for (let i = 0; i < 3; i++) {
    clock.tick(59_000);
    await echoed(kernel, target, client);
  }
  clock.tick(75_000);
  const message = "Nothing came from the client for too long";
  assertEquals(await client.nextJson(), { type: "error", code: "heartbeat_missed", message });
  assertEquals(await client.closed, { code: 4408, reason: `heartbeat_missed: ${message}` });
  assertEquals((await target.next("ws.leave")).reason, "heartbeat_missed");
});

Deno.test("ws.heartbeat comes as often as the server's default says, and as X-WS-Relay does where it speaks", async () => {
  using clock = stopTime();
  await using kernel = startKernel(
    (_, request) => relayTo(target.pid, new URL(request.url).pathname === "/own" ? { heartbeatInterval: "1.5m" } : {}),
    { heartbeatIntervalMs: 30_000 },
  );
  const target = kernel.spawnTarget();
  for (const [path, everyMs] of [["/", 30_000], ["/own", 90_000]] as const) {
    await using client = await kernel.connect(path);
    const { client_pid } = await target.next("ws.join");
    await echoed(kernel, target, client);
    for (const beat of [1, 2]) {
      clock.tick(everyMs);
      const uptime = beat * everyMs / 1000;
      assertEquals(await target.next("ws.heartbeat"), { client_pid, uptime, message_count: 1 });
    }
    await client.close();
    await target.next("ws.leave");
    clock.tick(everyMs * 3);
    assertEquals(target.heard.at(-1)?.topic, "ws.leave", "nothing beats any more");
  }
});

Deno.test("a connection that reaches maxLifetimeMs is told to reconnect, and closed 1012 after its grace", async () => {
  using clock = stopTime();
  await using kernel = startKernel(() => relayTo(target.pid), { maxLifetimeMs: 60_000 });
  const target = kernel.spawnTarget();
  await using client = await kernel.connect();
  await target.next("ws.join");
  clock.tick(60_000);
  assertEquals(await client.nextJson(), { type: "reconnect", after_ms: 0, reason: "lifetime" });
  clock.tick(9_999);
  await echoed(kernel, target, client);
  clock.tick(1);
  assertEquals(await client.closed, { code: 1012, reason: "hand_over: lifetime" });
  assertEquals((await target.next("ws.leave")).reason, "hand_over");
  await onlyTheIsolates(clock);
});

Deno.test("an isolate that drains tells each connection a moment of its own inside the window, then closes it 1012", async () => {
  using clock = stopTime();
  await using kernel = startKernel(() => relayTo(target.pid));
  const target = kernel.spawnTarget();
  const clients = await Promise.all(Array.from({ length: 20 }, () => kernel.connect()));
  for (const _ of clients) await target.next("ws.join");
  drain(kernel.events, "termination");
  assertEquals(kernel.isolate.state, "draining");
  const delays = await Promise.all(clients.map(async (client) => {
    const { type, after_ms, reason } = await client.nextJson();
    assertEquals([type, reason], ["reconnect", "termination"]);
    return after_ms as number;
  }));
  assert(delays.every((ms) => ms >= 0 && ms <= 7_500), `within the window: ${delays}`);
  assert(new Set(delays).size > 15, `each at its own moment: ${delays}`);
  clock.tick(Math.min(...delays) + 5_000 - 1);
  assertEquals((await kernel.health()).connections, 20, "the grace lasts 5 s");
  clock.tick(7_500);
  for (const client of clients) assertEquals(await client.closed, { code: 1012, reason: "hand_over: termination" });
  await kernel.idle(1);
  assertEquals(kernel.isolate.state, "gone");
  assertEquals(clock.countTimers(), 0);
});

Deno.test("memory that runs out while an isolate drains has its connections go and be closed sooner", async () => {
  using clock = stopTime();
  await using kernel = startKernel(() => relayTo(target.pid));
  const target = kernel.spawnTarget();
  const clients = await Promise.all(Array.from({ length: 20 }, () => kernel.connect()));
  for (const _ of clients) await target.next("ws.join");
  drain(kernel.events, "termination");
  for (const client of clients) await client.nextJson();
  clock.tick(100);
  drain(kernel.events, "memory");
  for (const client of clients) {
    const { after_ms, reason } = await client.nextJson();
    assert(reason === "memory" && (after_ms as number) <= 600, `told to go ${after_ms} ms later for ${reason}`);
  }
  clock.tick(1_800);
  for (const client of clients) assertEquals(await client.closed, { code: 1012, reason: "hand_over: memory" });
  await kernel.idle(1);
  assertEquals(clock.countTimers(), 0);
});

Deno.test("without control frames a drain closes 1012 at the connection's moment, with no frame before", async () => {
  using clock = stopTime();
  await using kernel = startKernel(() => relayTo(target.pid, { controlFrames: false }));
  const target = kernel.spawnTarget();
  const clients = await Promise.all(Array.from({ length: 5 }, () => kernel.connect()));
  for (const _ of clients) await target.next("ws.join");
  drain(kernel.events, "cpu");
  clock.tick(1_000);
  for (const client of clients) {
    assertEquals(await client.closed, { code: 1012, reason: "hand_over: cpu" });
    assertEquals(client.waiting, []);
  }
});

Deno.test("a target that asked for it says within the grace when its connection may go, and is not waited for beyond", async () => {
  using clock = stopTime();
  await using kernel = startKernel(() => relayTo(target.pid, { controlFrames: false, handsOver: true }));
  const target = kernel.spawnTarget();
  const [quick, slow] = await Promise.all([kernel.connect("/quick"), kernel.connect("/slow")]);
  for (const _ of [quick, slow]) await target.next("ws.join");
  drain(kernel.events, "cpu");
  clock.tick(1_000);
  const asked: HandOverMessage[] = [await target.next("ws.hand_over"), await target.next("ws.hand_over")];
  assertEquals(asked.map(({ reason }) => reason), ["cpu", "cpu"]);
  asked[0]!.ready();
  asked[0]!.ready();
  const first = await Promise.race([quick!.closed.then(() => quick!), slow!.closed.then(() => slow!)]);
  assertEquals((await target.next("ws.leave")).reason, "hand_over");
  assertEquals(kernel.processes.isAlive(asked[1]!.client_pid), true);
  clock.tick(1_500);
  for (const client of [first, quick, slow]) {
    assertEquals(await client!.closed, { code: 1012, reason: "hand_over: cpu" });
    assertEquals(client!.waiting, []);
  }
  assertEquals((await target.next("ws.leave")).reason, "hand_over");
  await kernel.idle(1);
  assertEquals(clock.countTimers(), 0);
});

Deno.test("an isolate that drains refuses new sockets 1013, and so those whose handler was at work", async () => {
  const entered = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<void>();
  await using kernel = startKernel(async () => {
    entered.resolve();
    await answer.promise;
    return relayTo(target.pid, { metadata: { user_id: "ada" } });
  });
  const target = kernel.spawnTarget();
  const early = kernel.connect();
  await entered.promise;
  drain(kernel.events, "memory");
  const late = await kernel.connect();
  answer.resolve();
  const message = "This isolate is about to end: connect again";
  for (const client of [await early, late]) {
    assertEquals(await client.nextJson(), { type: "error", code: "isolate_draining", message });
    assertEquals(await client.closed, { code: 1013, reason: `isolate_draining: ${message}` });
  }
  const leave: LeaveMessage = await target.next("ws.leave");
  assertEquals(leave, { client_pid: "test.0", reason: "isolate_draining", metadata: { user_id: "ada" } });
  assertEquals(kernel.processes.isAlive(leave.client_pid), false);
  await kernel.idle(1);
  assertEquals((await kernel.health()).state, "gone");
});

Deno.test("a drain that begins, or a transfer that comes, before a socket is open reaches it once it is", async () => {
  using clock = stopTime();
  await using kernel = startKernel(({ processes, events }) => {
    onceAlive(processes, "test.3", () => {
      processes.send("test.3", "ws.control", { target_pid: second.pid, metadata: { moved: true } });
      drain(events, "termination");
    });
    return relayTo(first.pid);
  });
  const [first, second] = [kernel.spawnTarget(), kernel.spawnTarget()];
  await using client = await kernel.connect();
  assertEquals(await first.next("ws.leave"), { client_pid: "test.3", reason: "transferred", metadata: {} });
  assertEquals(await second.next("ws.join"), { client_pid: "test.3", metadata: { moved: true } });
  assertEquals((await client.nextJson()).type, "reconnect");
  assertEquals(first.heard.map(({ topic }) => topic), ["ws.leave"]);
  assertEquals(second.heard.map(({ topic }) => topic), ["ws.join"]);
  clock.tick(30_000);
  assertEquals((await client.closed).code, 1012);
});

Deno.test("a connection that is ended before it is open is closed as soon as it is", async () => {
  await using kernel = startKernel(({ processes }) => {
    onceAlive(processes, "test.2", () => processes.exit("test.2", "killed"));
    return relayTo(target.pid);
  });
  const target = kernel.spawnTarget();
  await using client = await kernel.connect();
  assertEquals(await client.closed, { code: 1013, reason: "ended before it opened" });
  assertEquals(target.heard.map(({ topic }) => topic), ["ws.leave"]);
  await kernel.idle(1);
});

Deno.test("a socket that never opens is forgotten after 10 s, and its target hears of it", async () => {
  using clock = stopTime();
  const entered = Promise.withResolvers<void>();
  await using kernel = startKernel(async (_, request) => {
    entered.resolve();
    await new Promise((resolve) => request.signal.addEventListener("abort", resolve));
    return relayTo(target.pid, { metadata: { user_id: "ada" } });
  });
  const target = kernel.spawnTarget();
  const raw = await RawSocket.connect(kernel.host);
  await raw.request();
  await entered.promise;
  raw[Symbol.dispose]();
  await eventually("the connection is made", () => kernel.held.promises.length === 1);
  assertEquals((await kernel.health()).connections, 1);
  clock.tick(10_000);
  const leave: LeaveMessage = { client_pid: "test.2", reason: "never_opened", metadata: { user_id: "ada" } };
  assertEquals(await target.next("ws.leave"), leave);
  assertEquals(target.heard.length, 1);
  await kernel.idle(1);
});

Deno.test("a refusal holds the isolate until it is told, and 10 s at most", async () => {
  using clock = stopTime();
  await using kernel = startKernel(() => refuse({ code: "forbidden", message: "Not here" }));
  await using client = await kernel.connect();
  assertEquals((await client.closed).code, 4403);
  await kernel.idle();
  assertEquals(kernel.held.promises.length, 1);
  assertEquals(clock.countTimers(), 1);
});

/** The platform's word for the end that is near. */
/** Once the server has heard that its client heard of the end: until then that keeps its place. */
async function onlyTheIsolates(clock: Clock): Promise<void> {
  await eventually("one timer is left, the isolate's own", () => clock.countTimers() === 1);
}

function drain(events: EventTarget, reason: string): void {
  events.dispatchEvent(new CustomEvent("beforeunload", { detail: { reason } }));
}

/** Calls `action` in the very turn in which a process with this pid starts: a connection's socket is not open by then. */
function onceAlive(processes: Processes, pid: string, action: () => void): void {
  queueMicrotask(() => processes.isAlive(pid) ? action() : onceAlive(processes, pid, action));
}

/** A frame has gone there and back, so whatever was sent before it has arrived. */
async function echoed(
  kernel: Kernel,
  target: ReturnType<Kernel["spawnTarget"]>,
  client: Awaited<ReturnType<Kernel["connect"]>>,
): Promise<void> {
  client.send("to");
  const { client_pid } = await target.next("ws.message");
  kernel.processes.send(client_pid, "ws.send", { type: "text", data: "fro" });
  assertEquals(await client.next(), "fro");
}

Deno.test("a client that reads nothing for 30 s while a sender waits for it is closed as a slow reader, one that reads is not", async () => {
  using clock = stopTime();
  await using kernel = startKernel(() => relayTo(target.pid));
  const target = kernel.spawnTarget();
  using stalled = await kernel.connectRaw();
  const slow = (await target.next("ws.join")).client_pid;
  const frame = { type: "binary", data: new Uint8Array(32 * 1024) };
  const fill = async () => {
    // More than a quarter of what it may leave unread, and not all of it; the network takes the first megabytes.
    while ((await kernel.health()).buffered_bytes < 600 * 1024) kernel.processes.send(slow, "ws.send", frame);
  };
  await fill();
  let flushes = 0;
  kernel.processes.send(slow, "ws.flush", { done: () => flushes++ });
  kernel.processes.send(slow, "ws.flush", { done: () => flushes++ });
  clock.tick(29_000);
  assertEquals([flushes, kernel.processes.isAlive(slow)], [0, true]);

  const before = (await kernel.health()).buffered_bytes;
  for (let read = 0; read < 64; read++) await stalled.nextFrame();
  await eventually("the network has taken more", async () => (await kernel.health()).buffered_bytes < before);
  clock.tick(250);
  if (flushes > 0) kernel.processes.send(slow, "ws.flush", { done: () => flushes++ });
  await fill();
  kernel.processes.send(slow, "ws.flush", { done: () => flushes++ });
  clock.tick(29_000);
  assertEquals(kernel.processes.isAlive(slow), true, "it has read meanwhile");
  clock.tick(1_500);
  assertEquals((await target.next("ws.leave")).reason, "slow_reader");
  const { counters, buffered_bytes, closing_bytes } = await kernel.health();
  assertEquals([counters.refused, buffered_bytes, closing_bytes >= 600 * 1024], [{ slow_reader: 1 }, 0, true]);
  assert(flushes >= 3);
  const reading = stalled.nextClose();
  await eventually("it has read all", async () => {
    clock.tick(250);
    return (await kernel.health()).closing_bytes < 16 * 1024;
  });
  assertEquals((await reading)?.code, 1013);
  await stalled.sendFrame(CLOSE, new Uint8Array([0x03, 0xf5]));
  await eventually("nothing is held for it", async () => (await kernel.health()).closing_bytes === 0);
});

for (
  const [how, breakUp] of [
    ["sends a frame that is none", (client: RawSocket) => client.write(new Uint8Array([0xff, 0x80, 0, 0, 0, 0]))],
    ["stops sending", (client: RawSocket) => client.closeWrite()],
  ] as const
) {
  Deno.test(`a client that has not read all and ${how} keeps its place for two minutes, as its buffer may stay`, async () => {
    using clock = stopTime();
    await using kernel = startKernel(() => relayTo(target.pid, { metadata: { user_id: "bob" } }), {
      maxConnectionsPerUser: 1,
    });
    const target = kernel.spawnTarget();
    using stalled = await kernel.connectRaw();
    const slow = (await target.next("ws.join")).client_pid;
    const frame = { type: "binary", data: new Uint8Array(32 * 1024) };
    while ((await kernel.health()).buffered_bytes < 600 * 1024) kernel.processes.send(slow, "ws.send", frame);
    await breakUp(stalled);
    assertEquals((await target.next("ws.leave")).reason, "lost");
    const { connections, closing_bytes } = await kernel.health();
    assertEquals([connections, closing_bytes >= 600 * 1024], [0, true], `${closing_bytes} bytes`);
    await using refused = await kernel.connect();
    assertEquals((await refused.closed).code, 4429);
    clock.tick(120_000);
    assertEquals((await kernel.health()).closing_bytes, 0);
    await using client = await kernel.connect();
    await target.next("ws.join");
    await client.close();
  });
}
