import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import fc from "fast-check";
import type { Interceptor, PipeEnds } from "../../shared/relay/interceptor.ts";
import { eventually } from "../support/eventually.ts";
import { CLOSE, encodeFrame, type RawSocket } from "../support/raw_socket.ts";
import type { Frame } from "../support/socket.ts";
import {
  acceptHandshake,
  framesUntilEnd,
  refuseHandshake,
  startRawUpstream,
  startStandIn,
  writeAll,
} from "./stand_in_upstream.ts";
import { startRelay } from "./start_relay.ts";

const KiB = 1024;
const MiB = 1024 * 1024;

Deno.test("a pipe passes text and binary of every size as they are, in order, both ways", async () => {
  await using upstream = startStandIn();
  await using relay = startRelay([{ url: upstream.socketUrl }]);
  await using client = await relay.connect();
  const frames: Frame[] = [0, 1, 125, 126, 65_535, 65_536, MiB].flatMap((size) => [
    "é".repeat(size >> 1) + "x".repeat(size % 2),
    Uint8Array.from({ length: size }, (_, i) => i * 31 + size).buffer,
  ]);
  for (const frame of frames) client.send(frame);
  for (const frame of frames) assertEquals(await client.next(), frame);
  assertEquals((await upstream.next()).frames, frames);
});

Deno.test("a pipe passes what the upstream sends before the client has said anything", async () => {
  await using upstream = startStandIn({ onOpen: (socket) => socket.send("first") });
  await using relay = startRelay([{ url: upstream.socketUrl }]);
  await using client = await relay.connect();
  assertEquals(await client.next(), "first");
});

Deno.test("1,000 frames that were sent before the upstream opens arrive in order, and those after behind them", async () => {
  const answered = Promise.withResolvers<void>();
  await using upstream = startStandIn({ before: answered.promise, onFrame: () => {} });
  await using relay = startRelay([{ url: upstream.socketUrl }]);
  await using client = await relay.connect();
  const frames: Frame[] = Array.from(
    { length: 1_000 },
    (_, i) => i % 3 ? `frame ${i}` : Uint8Array.of(i, i >> 8).buffer,
  );
  for (const frame of frames) client.send(frame);
  await eventually("all have arrived", async () => (await relay.health()).counters.messages_in === 1_000);
  answered.resolve();
  const dialled = await upstream.next();
  client.send("the next");
  assertEquals(await dialled.received(1_001), [...frames, "the next"]);
});

const overflows: { name: string; frames: Frame[] }[] = [
  { name: "more frames than may wait", frames: Array(11).fill("") },
  { name: "more bytes than may wait", frames: ["x".repeat(600), new ArrayBuffer(400), "é"] },
  { name: "one frame larger than what may wait", frames: ["€".repeat(400)] },
];

for (const { name, frames } of overflows) {
  Deno.test(`${name} for the upstream close the client with 1013, and the dial is forgotten`, async () => {
    using upstream = startRawUpstream();
    await using relay = startRelay([{ url: upstream.socketUrl }], {
      limits: { maxQueuedFrames: 10, maxQueuedBytes: 1_000 },
    });
    await using client = await relay.connect();
    for (const frame of frames.slice(0, -1)) client.send(frame);
    await eventually("they wait", async () => (await relay.health()).counters.messages_in === frames.length - 1);
    assertEquals(client.socket.readyState, WebSocket.OPEN);
    client.send(frames.at(-1)!);
    const reason = "overloaded: Too much was sent before the upstream opened";
    assertEquals(await client.closed, { code: 1013, reason });
    await relay.idle();
  });
}

for (const status of [401, 403, 404, 429, 500, 503]) {
  Deno.test(`an upstream that answers the handshake with ${status} is 4502 with that status`, async () => {
    using upstream = startRawUpstream(refuseHandshake(status));
    await using relay = startRelay([{ url: upstream.socketUrl }]);
    await using client = await relay.connect();
    const message = `"up" refused the connection with status ${status}`;
    assertEquals(await client.closed, { code: 4502, reason: `upstream_failed: ${message}` });
    assertEquals(relay.failures, [`relay: ${message}`]);
    assertEquals(client.waiting, [], "no frame of the relay's own goes into a stream of another protocol");
    await relay.idle();
  });
}

const unreachable: { name: string; url: () => string }[] = [
  {
    name: "nobody listens at",
    url: () => {
      using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
      return `ws://127.0.0.1:${listener.addr.port}/`;
    },
  },
  { name: "no name service knows", url: () => "ws://no-such-host.invalid/" },
];

for (const { name, url } of unreachable) {
  Deno.test(`an upstream that ${name} is 4502`, async () => {
    await using relay = startRelay([{ url: url() }]);
    await using client = await relay.connect();
    const reason = `upstream_failed: "up" did not take the connection`;
    assertEquals(await client.closed, { code: 4502, reason });
    assertMatch(relay.failures.join(), /^relay: "up" did not take the connection: .+/, "its operator learns the cause");
    await relay.idle();
  });
}

Deno.test("an upstream that answers something else than HTTP is 4502", async () => {
  using upstream = startRawUpstream(async (connection) => {
    await connection.write(new TextEncoder().encode("220 mail.example ESMTP\r\n"));
    connection.close();
  });
  await using relay = startRelay([{ url: upstream.socketUrl }]);
  await using client = await relay.connect();
  assertEquals((await client.closed).code, 4502);
  await relay.idle();
});

Deno.test("an upstream that takes the connection and never answers is 4504 in time", async () => {
  using upstream = startRawUpstream();
  await using relay = startRelay([{ url: upstream.socketUrl }], { limits: { connectTimeoutMs: 200 } });
  const startedAt = performance.now();
  await using client = await relay.connect();
  client.send("waits");
  const reason = `upstream_timeout: "up" did not open in 200 ms`;
  assertEquals(await client.closed, { code: 4504, reason });
  const tookMs = performance.now() - startedAt;
  assert(tookMs > 190 && tookMs < 1_500, `took ${tookMs} ms`);
  await relay.idle();
});

Deno.test("an upstream that opens after its time is let go, and hears nothing of what waited", async () => {
  const late = Promise.withResolvers<void>();
  using upstream = startRawUpstream(async (connection, request) => {
    await late.promise;
    // Deno 2.9 has cut the connection by then, 2.1 completes the handshake.
    await acceptHandshake(connection, request).catch(() => {});
  });
  await using relay = startRelay([{ url: upstream.socketUrl }], { limits: { connectTimeoutMs: 100 } });
  await using client = await relay.connect();
  client.send("too late");
  assertEquals((await client.closed).code, 4504);
  late.resolve();
  const heard = await framesUntilEnd(upstream.connections[0]!);
  assert(heard.every(({ opcode }) => opcode === CLOSE), `the upstream heard ${heard.map(({ opcode }) => opcode)}`);
});

Deno.test("an upstream whose TCP connection breaks off is 4502", async () => {
  using upstream = startRawUpstream(acceptHandshake);
  await using relay = startRelay([{ url: upstream.socketUrl }]);
  await using client = await relay.connect();
  client.send("hello");
  await eventually("the upstream has the frame", () => upstream.connections.length === 1);
  // Behind the handshake's answer: the first frame that the relay sends is what a read gives then.
  await upstream.connections[0]!.read(new Uint8Array(100));
  upstream.connections[0]!.close();
  assertEquals(await client.closed, { code: 4502, reason: `upstream_failed: "up" broke off the connection` });
  await relay.idle();
});

const upstreamCloses: { code?: number; reason?: string; seen: { code: number; reason: string } }[] = [
  ...[1000, 1001, 1009, 1011, 4000].map((code) => ({ code, reason: "why", seen: { code, reason: "why" } })),
  { code: 1002, reason: "why", seen: { code: 4502, reason: `upstream_failed: "up" closed with 1002` } },
  { seen: { code: 4502, reason: `upstream_failed: "up" closed without a code` } },
  { code: 4000, reason: "é".repeat(61), seen: { code: 4000, reason: "é".repeat(61) } },
];

for (const { code, reason, seen } of upstreamCloses) {
  Deno.test(`the client sees ${seen.code} where the upstream closes with ${code ?? "no code"}`, async () => {
    await using upstream = startStandIn({ onFrame: (_data, socket) => socket.close(code, reason) });
    await using relay = startRelay([{ url: upstream.socketUrl }]);
    await using client = await relay.connect();
    client.send("close, please");
    assertEquals(await client.closed, seen);
    await relay.idle();
  });
}

Deno.test("all that the upstream sent before it closed reaches the client first", async () => {
  await using upstream = startStandIn({
    onOpen(socket) {
      for (let i = 0; i < 1_000; i++) socket.send(`frame ${i} ${"x".repeat(1_000)}`);
      socket.close(1001, "session expired");
    },
  });
  await using relay = startRelay([{ url: upstream.socketUrl }]);
  await using client = await relay.connect();
  assertEquals(await client.closed, { code: 1001, reason: "session expired" });
  assertEquals(client.waiting.length, 1_000);
});

const clientCloses: { code: number; reason: string; seen: { code: number; reason: string } }[] = [
  { code: 1000, reason: "done", seen: { code: 1000, reason: "done" } },
  { code: 3999, reason: "x", seen: { code: 3999, reason: "x" } },
  { code: 4001, reason: "", seen: { code: 4001, reason: "closed" } },
];

for (const { code, reason, seen } of clientCloses) {
  Deno.test(`the upstream sees ${seen.code} where the client closes with ${code}`, async () => {
    await using upstream = startStandIn();
    await using relay = startRelay([{ url: upstream.socketUrl }]);
    const client = await relay.connect();
    const dialled = await upstream.next();
    client.socket.close(code, reason);
    assertEquals(await dialled.closed, seen);
    assertEquals((await client.closed).code, code);
    await relay.idle();
  });
}

const rawCloses: { name: string; end: (client: RawSocket) => unknown; seen: { code: number; reason: string } }[] = [
  {
    name: "goes away with 1001",
    end: (client) => client.sendFrame(8, Uint8Array.of(0x03, 0xe9)),
    seen: { code: 1000, reason: "going away" },
  },
  { name: "closes without a code", end: (client) => client.sendFrame(8), seen: { code: 1005, reason: "" } },
  { name: "breaks off", end: (client) => client[Symbol.dispose](), seen: { code: 4499, reason: "lost" } },
  {
    name: "breaks the protocol",
    end: (client) => client.sendFrame(1, "x", { reserved: 4 }),
    seen: { code: 4499, reason: "lost" },
  },
];

for (const { name, end, seen } of rawCloses) {
  Deno.test(`the upstream sees ${seen.code} where the client ${name}`, async () => {
    await using upstream = startStandIn();
    await using relay = startRelay([{ url: upstream.socketUrl }]);
    using client = await relay.connectRaw(relay.address());
    const dialled = await upstream.next();
    await end(client);
    assertEquals(await dialled.closed, seen);
    await relay.idle();
  });
}

Deno.test("all that the client sent before it closed reaches the upstream first", async () => {
  await using upstream = startStandIn({ onFrame: () => {} });
  await using relay = startRelay([{ url: upstream.socketUrl }]);
  const client = await relay.connect();
  const dialled = await upstream.next();
  for (let i = 0; i < 1_000; i++) client.send(`frame ${i} ${"x".repeat(1_000)}`);
  client.socket.close(1000, "done");
  assertEquals(await dialled.closed, { code: 1000, reason: "done" });
  assertEquals(dialled.frames.length, 1_000);
});

Deno.test("a client that leaves while the upstream is dialled takes the dial with it", async () => {
  const late = Promise.withResolvers<void>();
  using upstream = startRawUpstream(async (connection, request) => {
    await late.promise;
    await acceptHandshake(connection, request).catch(() => {});
  });
  await using relay = startRelay([{ url: upstream.socketUrl }]);
  const client = await relay.connect();
  client.send("never mind");
  await eventually("the upstream is dialled", () => upstream.connections.length === 1);
  await client.close();
  await relay.idle();
  late.resolve();
  const heard = await framesUntilEnd(upstream.connections[0]!);
  assert(heard.every(({ opcode }) => opcode === CLOSE), `the upstream heard ${heard.map(({ opcode }) => opcode)}`);
  assertEquals(relay.failures, []);
});

Deno.test("an isolate that drains closes the client with 1012 and the upstream with it", async () => {
  await using upstream = startStandIn();
  await using relay = startRelay([{ url: upstream.socketUrl }]);
  await using client = await relay.connect();
  const dialled = await upstream.next();
  relay.isolate.drain("cpu");
  assertEquals(await client.closed, { code: 1012, reason: "hand_over: cpu" });
  assertEquals(await dialled.closed, { code: 4499, reason: "hand_over" });
  assertEquals(client.waiting, [], "no frame of the relay's own goes into a stream of another protocol");
  await relay.idle();
});

Deno.test("a pipe that is ended from outside ends both sides", async () => {
  await using upstream = startStandIn();
  await using relay = startRelay([{ url: upstream.socketUrl }]);
  await using client = await relay.connect();
  const dialled = await upstream.next();
  // The first process that the relay starts is the pipe, the second the connection.
  relay.processes.exit("test.1", "killed");
  assertEquals((await client.closed).code, 1011);
  assertEquals(await dialled.closed, { code: 4499, reason: "closed" });
  await relay.idle();
});

Deno.test("a frame of the upstream that is larger than the bound closes the client with 1009", async () => {
  await using upstream = startStandIn({
    onFrame(data, socket) {
      socket.send(data === "text" ? "é".repeat(600) : new Uint8Array(1_001));
    },
  });
  await using relay = startRelay([{ url: upstream.socketUrl }], { limits: { maxQueuedBytes: 1_000 } });
  for (const request of ["text", "binary"]) {
    await using client = await relay.connect();
    const dialled = await upstream.next();
    client.send(request);
    const reason = "too_large: The upstream sent a frame of more than 1000 bytes";
    assertEquals(await client.closed, { code: 1009, reason });
    assertEquals(await dialled.closed, { code: 4499, reason: "too_large" });
  }
});

Deno.test("an upstream that stops reading closes the client with 1013, and holds no more than the bound", async () => {
  using upstream = startRawUpstream(acceptHandshake);
  await using relay = startRelay([{ url: upstream.socketUrl }], { limits: { maxQueuedBytes: 256 * KiB } });
  const client = await relay.connect();
  const frame = new Uint8Array(64 * KiB);
  // One at a time: what arrives after the close would take the close frame with it.
  for (let sent = 1; (await relay.health()).connections === 1; sent++) {
    client.send(frame);
    await eventually("it has arrived", async () => (await relay.health()).counters.messages_in === sent, {
      everyMs: 1,
    });
    assert(sent * frame.length < 64 * MiB, "the relay goes on taking frames");
  }
  const reason = "overloaded: The upstream reads too slowly";
  assertEquals(await client.closed, { code: 1013, reason });
  await relay.idle();
});

Deno.test("a client that stops reading ends the upstream, whatever that goes on to send", async () => {
  const frame = new Uint8Array(64 * KiB);
  let sending: ReturnType<typeof setInterval> | undefined;
  await using upstream = startStandIn({
    onOpen(socket) {
      sending = setInterval(() => {
        if (socket.readyState === WebSocket.OPEN && socket.bufferedAmount < MiB) socket.send(frame);
      }, 1);
    },
  });
  try {
    await using relay = startRelay([{ url: upstream.socketUrl }], { limits: { maxQueuedBytes: 256 * KiB } });
    using _client = await relay.connectRaw(relay.address());
    const dialled = await upstream.next();
    assertEquals(await dialled.closed, { code: 4499, reason: "slow_reader" });
    await relay.idle();
  } finally {
    clearInterval(sending);
  }
});

Deno.test("what all pipes hold is bounded: those for whom most waits are ended, and who reads stays", async () => {
  const frame = new Uint8Array(64 * KiB);
  await using upstream = startStandIn({
    onOpen(socket) {
      for (let sent = 0; sent < 16 * MiB; sent += frame.length) socket.send(frame);
    },
  });
  await using calm = startStandIn();
  await using relay = startRelay([{ url: upstream.socketUrl }, { name: "calm", url: calm.socketUrl }], {
    limits: { maxQueuedBytes: 64 * MiB },
    sockets: { maxBufferedBytesTotal: 8 * MiB, maxConnectionsPerUser: 100 },
  });
  const stalled: RawSocket[] = [];
  let most = 0;
  try {
    await using reader = await relay.connect("/calm");
    for (let count = 0; count < 6; count++) {
      stalled.push(await relay.connectRaw(relay.address()));
      await upstream.next();
    }
    await eventually("most of them have ended", async () => {
      const { queued_bytes, buffered_bytes, counters } = await relay.health();
      most = Math.max(most, queued_bytes + buffered_bytes);
      reader.send(frame);
      assertEquals((await reader.next() as ArrayBuffer).byteLength, frame.length);
      return counters.closed["1013"] >= 3;
    });
    // It is looked at them after every eighth of the bound, and each holds what was sent to it last.
    assert(most <= 10 * MiB, `${most} bytes`);
    const { queued_bytes } = await relay.health();
    assert(queued_bytes <= 9 * MiB, `${queued_bytes} bytes`);
  } finally {
    for (const client of stalled) client[Symbol.dispose]();
  }
  await relay.idle();
  assertEquals((await relay.health()).queued_bytes, 0);
});

Deno.test("a client's last words are dropped where all pipes hold too much, and its pipe ends", async () => {
  using upstream = startRawUpstream(acceptHandshake);
  await using relay = startRelay([{ url: upstream.socketUrl }], {
    limits: { maxQueuedBytes: 64 * MiB, lingerMs: 600_000 },
    sockets: { maxBufferedBytesTotal: 8 * MiB },
  });
  const frame = new Uint8Array(64 * KiB);
  const clients = await Promise.all(Array.from({ length: 2 }, () => relay.connect()));
  await eventually("both are dialled", () => upstream.connections.length === 2);
  let sent = 0;
  for (const client of clients) {
    while ((await relay.health()).queued_bytes < 6 * MiB) {
      client.send(frame);
      sent++;
      await eventually("it has arrived", async () => (await relay.health()).counters.messages_in === sent, {
        everyMs: 1,
      });
    }
    await client.close();
  }
  const [first, second] = clients;
  await using third = await relay.connect();
  await eventually("the third is dialled", () => upstream.connections.length === 3);
  for (; (await relay.health()).processes > 3; sent++) {
    third.send(frame);
    await eventually("it has arrived", async () => (await relay.health()).counters.messages_in > sent, { everyMs: 1 });
    assert(sent * frame.length < 64 * MiB, "nobody is ended");
  }
  assertEquals([first, second].map((client) => client!.socket.readyState), [WebSocket.CLOSED, WebSocket.CLOSED]);
  assertEquals(third.socket.readyState, WebSocket.OPEN);
});

const LARGE = Array.from({ length: 160 }, (_, i) => new Uint8Array(64 * KiB).fill(i));

Deno.test("a slow upstream still gets all that the client sent before it closed, and then its code", async () => {
  using upstream = startRawUpstream(acceptHandshake);
  await using relay = startRelay([{ url: upstream.socketUrl }], { limits: { maxQueuedBytes: 16 * MiB } });
  const client = await relay.connect();
  for (const frame of LARGE) client.send(frame);
  await client.close(4000, "all said");
  assert(relay.processes.count > 0, "the pipe stays until all is read");
  const heard = await framesUntilEnd(upstream.connections[0]!);
  assertEquals(heard.map(({ opcode }) => opcode).join(), [...LARGE.map(() => 2), CLOSE].join());
  assertEquals(heard.slice(0, -1).map(({ payload }) => payload[9]), LARGE.map((frame) => frame[9]));
  assertEquals(new TextDecoder().decode(heard.at(-1)!.payload.subarray(2)), "all said");
  await relay.idle();
});

Deno.test("a slow upstream that floods a client which has left still gets all that was sent to it", async () => {
  using upstream = startRawUpstream(acceptHandshake);
  await using relay = startRelay([{ url: upstream.socketUrl }], { limits: { maxQueuedBytes: 11 * MiB } });
  const client = await relay.connect();
  for (const frame of LARGE) client.send(frame);
  await client.close();
  const connection = upstream.connections[0]!;
  const flood = encodeFrame(2, new Uint8Array(64 * KiB), { masked: false });
  for (let i = 0; i < 250; i++) await writeAll(connection, flood);
  const heard = await framesUntilEnd(connection);
  assertEquals(heard.map(({ opcode }) => opcode).join(), [...LARGE.map(() => 2), CLOSE].join());
  await relay.idle();
});

Deno.test("a slow client still gets all that the upstream sent before it closed, and then its code", async () => {
  await using upstream = startStandIn({
    onOpen(socket) {
      for (const frame of LARGE) socket.send(frame);
      socket.close(4000, "all said");
    },
  });
  await using relay = startRelay([{ url: upstream.socketUrl }], { limits: { maxQueuedBytes: 16 * MiB } });
  using client = await relay.connectRaw(relay.address());
  await (await upstream.next()).closed;
  for (const frame of LARGE) assertEquals((await client.nextFrame())?.payload[9], frame[9]);
  assertEquals(await client.nextClose(), { code: 4000, reason: "all said" });
  await relay.idle();
});

Deno.test("a side that does not read what the other sent before it closed is waited for no longer than allowed", async () => {
  const limits = { maxQueuedBytes: 16 * MiB, lingerMs: 100 };
  using stalled = startRawUpstream(acceptHandshake);
  await using flooding = startStandIn({
    onOpen(socket) {
      for (const frame of LARGE) socket.send(frame);
      socket.close(4000, "all said");
    },
  });
  await using relay = startRelay([{ name: "stalled", url: stalled.socketUrl }, { url: flooding.socketUrl }], {
    limits,
  });
  const client = await relay.connect("/stalled");
  for (const frame of LARGE) client.send(frame);
  await client.close();
  await relay.idle();
  using _stalledClient = await relay.connectRaw(relay.address());
  await (await flooding.next()).closed;
  await relay.idle();
});

Deno.test("a pipe whose upstream has opened in time outlives the time it had for that", async () => {
  await using upstream = startStandIn();
  await using relay = startRelay([{ url: upstream.socketUrl }], { limits: { connectTimeoutMs: 1_500 } });
  await using client = await relay.connect();
  await upstream.next();
  await new Promise((resolve) => setTimeout(resolve, 1_600));
  client.send("still there");
  assertEquals(await client.next(), "still there");
});

Deno.test("a client that sends faster than its rate is closed, as a frame left out would break the stream", async () => {
  await using upstream = startStandIn();
  await using relay = startRelay([{ url: upstream.socketUrl }], { sockets: { messagesPerSecond: 1, messageBurst: 5 } });
  await using client = await relay.connect();
  const dialled = await upstream.next();
  for (let i = 0; i < 6; i++) client.send(`${i}`);
  assertEquals((await client.closed).code, 4429);
  assertEquals(await dialled.closed, { code: 4499, reason: "rate_limited" });
  assertEquals(dialled.frames.length, 5);
});

Deno.test("10,000 random frames pass as they are, and leave nothing behind", async () => {
  await using upstream = startStandIn();
  await using relay = startRelay([{ url: upstream.socketUrl }]);
  const frame = fc.oneof(
    fc.string({ unit: "binary", maxLength: 300 }),
    fc.string({ unit: "grapheme", maxLength: 300 }),
    fc.json({ maxDepth: 2 }),
    fc.uint8Array({ maxLength: 2_000 }).map((bytes) => bytes.slice().buffer),
  );
  const batches = fc.sample(fc.array(frame, { minLength: 100, maxLength: 100 }), { numRuns: 100, seed: 11 });
  for (const batch of batches) {
    await using client = await relay.connect();
    for (const data of batch) client.send(data);
    for (const data of batch) assertEquals(await client.next(), data);
  }
  await relay.idle();
  assertEquals([relay.errors, relay.failures], [[], []]);
  assertStringIncludes(JSON.stringify(await relay.health()), `"status":"ok"`);
});

/** An interceptor that lets everything pass, but for what it does otherwise. */
function passing(own: Partial<Interceptor>, joined: (ends: PipeEnds) => void = () => {}): Interceptor {
  let ends: PipeEnds;
  return {
    joined(given) {
      ends = given;
      joined(ends);
      ends.dial();
    },
    fromClient: (data) => ends.toUpstream(data),
    fromUpstream: (data) => ends.toClient(data),
    upstreamLost: () => false,
    drain: (ready) => ready(),
    left: () => {},
    ...own,
  };
}

Deno.test("an interceptor that throws at a frame of the upstream ends its own pipe, and no other", async () => {
  await using upstream = startStandIn();
  const fromUpstream = () => {
    throw new Error("odd");
  };
  let isFirst = true;
  await using relay = startRelay([{ url: upstream.socketUrl }], {
    intercept: () => passing(isFirst ? { fromUpstream } : {}),
  });
  await using odd = await relay.connect();
  await upstream.next();
  isFirst = false;
  await using other = await relay.connect();
  odd.send("frame");
  assertEquals(await odd.closed, { code: 1011, reason: "internal: The session failed" });
  other.send("frame");
  assertEquals(await other.next(), "frame");
  assertEquals(relay.failures.length, 1);
});

Deno.test("an interceptor hears of each upstream that cannot be had again, and the client of the last alone", async () => {
  let dials = 0;
  using upstream = startRawUpstream(async (connection, request) => {
    if (dials++ > 0) return await refuseHandshake(503)(connection);
    await acceptHandshake(connection, request);
    await writeAll(connection, Uint8Array.of(0x80 | CLOSE, 2, 1011 >> 8, 1011 & 0xff));
  });
  const lost: [number, string][] = [];
  let dial: () => void;
  const upstreamLost = (code: number, reason: string) => {
    lost.push([code, reason]);
    if (lost.length === 3) return false;
    setTimeout(() => dial(), 0);
    return true;
  };
  await using relay = startRelay([{ url: upstream.socketUrl }], {
    intercept: () => passing({ upstreamLost }, (ends) => dial = () => ends.dial()),
  });
  await using client = await relay.connect();
  const refused = '"up" refused the connection with status 503';
  assertEquals(await client.closed, { code: 4502, reason: `upstream_failed: ${refused}` });
  assertEquals(lost, [[1011, ""], [1006, refused], [1006, refused]]);
});
