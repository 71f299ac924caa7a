import { assert, assertEquals, assertRejects } from "@std/assert";
import { install } from "@sinonjs/fake-timers";
import { type ClientMessage, type JoinMessage, refuse, relayTo } from "../../shared/connection/mod.ts";
import type { Processes } from "../../shared/process/mod.ts";
import { eventually } from "../support/eventually.ts";
import { BINARY, CLOSE, encodeFrame, RawSocket, TEXT } from "../support/raw_socket.ts";
import { openSocket } from "../support/socket.ts";
import { echoing, startKernel } from "./kernel.ts";

/** Just as many bytes: as text of one, two, three and four bytes a character, and binary. */
function framesOf(bytes: number): (string | Uint8Array<ArrayBuffer>)[] {
  return [
    "x".repeat(bytes),
    "ä".repeat(bytes / 2) + "x".repeat(bytes % 2),
    "漢".repeat(bytes / 3) + "x".repeat(bytes % 3),
    "🦊".repeat(bytes / 4) + "x".repeat(bytes % 4),
    new Uint8Array(bytes).fill(7),
  ];
}

for (const limit of [100, 70_000]) {
  Deno.test(`a frame of ${limit} bytes passes where that is the limit, one byte more closes 1009`, async () => {
    await using kernel = startKernel(({ processes }) => relayTo(processes.spawn(echoing(processes))), {
      maxFrameBytes: limit,
    });
    const message = `A frame may hold ${limit} bytes`;
    for (const [i, frame] of framesOf(limit).entries()) {
      const client = await kernel.connect();
      client.send(frame);
      assertEquals(await client.next(), typeof frame === "string" ? frame : frame.buffer);
      client.send(framesOf(limit + 1)[i]!);
      client.send("not read any more");
      assertEquals(await client.nextJson(), { type: "error", code: "too_large", message });
      assertEquals(await client.closed, { code: 1009, reason: `too_large: ${message}` });
      assertEquals(client.waiting, []);
    }
    assertEquals((await kernel.health()).counters.refused, { too_large: 5 });
  });
}

Deno.test("a message in fragments counts as one frame of their sum", async () => {
  await using kernel = startKernel(({ processes }) => relayTo(processes.spawn(echoing(processes))), {
    maxFrameBytes: 100,
  });
  using raw = await kernel.connectRaw();
  for (let i = 0; i < 10; i++) await raw.sendFrame(i === 0 ? TEXT : 0, "0123456789", { fin: i === 9 });
  assertEquals((await raw.nextFrame())?.payload.length, 100);
  for (let i = 0; i < 11; i++) await raw.sendFrame(i === 0 ? TEXT : 0, "0123456789", { fin: i === 10 });
  assertEquals((await raw.nextClose())?.code, 1009);
});

Deno.test("frames over the rate are refused with an error a second, later ones pass, a client that goes on closes 4429", async () => {
  using clock = Object.assign(install({ now: 1_900_000_000_000, toFake: ["Date"] }), {
    [Symbol.dispose]: () => clock.uninstall(),
  });
  await using kernel = startKernel(({ processes }) => relayTo(processes.spawn(echoing(processes))), {
    messagesPerSecond: 10,
    messageBurst: 20,
  });
  const client = await kernel.connect();
  const sendMany = (count: number) => {
    for (let i = 0; i < count; i++) client.send(`${i}`);
  };
  const message = "Frames come faster than the limit; this one was not read";
  sendMany(25);
  for (let i = 0; i < 20; i++) assertEquals(await client.next(), `${i}`);
  assertEquals(await client.nextJson(), { type: "error", code: "rate_limited", message, retry_after_ms: 100 });

  clock.tick(500);
  sendMany(5);
  for (let i = 0; i < 5; i++) assertEquals(await client.next(), `${i}`, "half a second's worth passes again");
  assertEquals(client.waiting, [], "one error a second");

  clock.tick(10_001);
  sendMany(20 + 20);
  for (let i = 0; i < 20; i++) assertEquals(await client.next(), `${i}`, "quiet is rewarded with a full burst");
  assertEquals((await client.nextJson()).code, "rate_limited", "and what was refused before is forgiven");
  clock.tick(100);
  client.send("this passes");
  assertEquals(await client.next(), "this passes");
  client.send("one too many");
  assertEquals((await client.nextJson()).code, "rate_limited");
  assertEquals(await client.closed, { code: 4429, reason: `rate_limited: ${message}` });
  assertEquals((await kernel.health()).counters.refused, { rate_limited: 1 });
});

Deno.test("bytes have a rate of their own, in which text counts by its UTF-8", async () => {
  using clock = Object.assign(install({ now: 1_900_000_000_000, toFake: ["Date"] }), {
    [Symbol.dispose]: () => clock.uninstall(),
  });
  await using kernel = startKernel(({ processes }) => relayTo(processes.spawn(echoing(processes))), {
    maxFrameBytes: 300,
    bytesPerSecond: 1_000,
    byteBurst: 900,
  });
  const client = await kernel.connect();
  for (let i = 0; i < 3; i++) client.send("漢".repeat(100));
  client.send(new Uint8Array(1));
  for (let i = 0; i < 3; i++) assertEquals((await client.next() as string).length, 100);
  const { code, retry_after_ms } = await client.nextJson();
  assertEquals([code, retry_after_ms], ["rate_limited", 1]);
  clock.tick(1);
  client.send("y");
  assertEquals(await client.next(), "y");
  await client.close();
});

Deno.test("without control frames the first frame over the rate closes 4429, with no frame before", async () => {
  await using kernel = startKernel(
    ({ processes }) => relayTo(processes.spawn(echoing(processes)), { controlFrames: false }),
    { messagesPerSecond: 1e-3, messageBurst: 2 },
  );
  const client = await kernel.connect();
  for (const frame of ["1", "2", "3"]) client.send(frame);
  assertEquals((await client.closed).code, 4429);
  assertEquals(client.waiting, ["1", "2"]);
});

Deno.test("a client whose frames its target does not come to is closed 1013, and costs others nothing", async () => {
  const bounds = [{ maxInFlightMessages: 10 }, { maxInFlightBytes: 1_000 }];
  for (const bound of bounds) {
    const gate = Promise.withResolvers<void>();
    await using kernel = startKernel(
      ({ processes }) =>
        relayTo(processes.spawn({ "ws.message": async () => await gate.promise }, { maxMailboxMessages: 1_000 })),
      bound,
    );
    const client = await kernel.connect();
    const other = await kernel.connect();
    // One is being handled, ten wait.
    for (let i = 0; i < 11; i++) client.send("x".repeat(100));
    other.send("x");
    await eventually("they have come", async () => (await kernel.health()).counters.messages_in === 12);
    assertEquals((await kernel.health()).connections, 2);
    client.send("x");
    const message = "Frames come faster than they can be handled";
    assertEquals(await client.nextJson(), { type: "error", code: "overloaded", message });
    assertEquals(await client.closed, { code: 1013, reason: `overloaded: ${message}` });
    assertEquals((await kernel.health()).connections, 1);
    gate.resolve();
    await other.close();
  }
});

Deno.test("a client that fills the mailbox of its target is closed 1013", async () => {
  await using kernel = startKernel(({ processes }) =>
    relayTo(processes.spawn({ "ws.message": () => new Promise(() => {}) }, { maxMailboxMessages: 3 }))
  );
  const client = await kernel.connect();
  for (let i = 0; i < 5; i++) client.send("x");
  assertEquals((await client.closed).code, 1013);
});

/** Connects until one is refused, and gives how many were not. */
async function fill(connect: () => Promise<{ code: number } | undefined>): Promise<number> {
  for (let count = 0; count < 20; count++) if (await connect() !== undefined) return count;
  return 20;
}

Deno.test("an isolate takes maxConnections, counting those whose handler is at work, and room comes back", async () => {
  let wait = Promise.resolve();
  await using kernel = startKernel(async ({ processes }) => {
    await wait;
    return relayTo(processes.spawn(echoing(processes)));
  }, { maxConnections: 3 });
  const clients = [await kernel.connect(), await kernel.connect()];
  const gate = Promise.withResolvers<void>();
  wait = gate.promise;
  const third = kernel.connect();
  await eventually("a handler is at work", async () => {
    const extra = await openSocket(kernel.socketUrl);
    const { code, reason } = await extra.closed;
    assertEquals([code, reason.split(":")[0]], [1013, "overloaded"]);
    return true;
  });
  gate.resolve();
  clients.push(await third);
  assertEquals((await (await kernel.connect()).closed).code, 1013);
  for (const client of clients) await client.close();
  await eventually("room again", async () => (await kernel.health()).connections === 0);
  const again = await Promise.all([kernel.connect(), kernel.connect(), kernel.connect()]);
  for (const client of again) {
    client.send("x");
    assertEquals(await client.next(), "x");
    await client.close();
  }
});

Deno.test("a user takes maxConnectionsPerUser; the next closes 4429 and its target hears ws.leave; others have their own", async () => {
  await using kernel = startKernel(
    (_, request) => relayTo(target.pid, { metadata: { user_id: new URL(request.url).pathname.slice(1) || 7 } }),
    { maxConnectionsPerUser: 2 },
  );
  const target = kernel.spawnTarget();
  for (const end of [(raw: RawSocket) => raw[Symbol.dispose](), (raw: RawSocket) => raw.sendFrame(8)]) {
    const raws = [await kernel.connectRaw("/ada"), await kernel.connectRaw("/ada")];
    await target.next("ws.join");
    await target.next("ws.join");
    const third = await kernel.connect("/ada");
    const message = "A user may have 2 connections here";
    assertEquals(await third.nextJson(), { type: "error", code: "too_many_connections", message });
    assertEquals(await third.closed, { code: 4429, reason: `too_many_connections: ${message}` });
    assertEquals(await target.next("ws.leave"), {
      client_pid: "test.0",
      reason: "too_many_connections",
      metadata: { user_id: "ada" },
    });
    const bob = await kernel.connect("/bob");
    await target.next("ws.join");
    await bob.close();
    await target.next("ws.leave");
    for (const raw of raws) {
      await end(raw);
      await target.next("ws.leave");
      raw[Symbol.dispose]();
    }
  }
  // A user id that is no string counts for nobody.
  const anonymous = await Promise.all(Array.from({ length: 4 }, () => kernel.connect("/")));
  for (const client of anonymous) await client.close();
  await kernel.idle(1);
});

Deno.test("a user keeps the place of a connection that was closed until its client has heard of it", async () => {
  await using kernel = startKernel(
    ({ processes }, request) =>
      relayTo(processes.spawn(closing(processes)), { metadata: { user_id: new URL(request.url).pathname.slice(1) } }),
    { maxConnectionsPerUser: 2 },
  );
  const connectAndBeClosed = async () => {
    const raw = await kernel.connectRaw("/ada");
    await raw.sendFrame(TEXT, "close it");
    assertEquals((await raw.nextClose())?.code, 4700);
    return raw;
  };
  const silent = [await connectAndBeClosed(), await connectAndBeClosed()];
  assertEquals((await kernel.health()).connections, 0);
  assertEquals((await (await kernel.connect("/ada")).closed).code, 4429);
  // One answers the close frame, the other one goes.
  await silent[0]!.sendFrame(CLOSE, new Uint8Array([0x12, 0x5c]));
  silent[1]![Symbol.dispose]();
  await eventually("both places are free", async () => {
    const clients = [await kernel.connect("/ada"), await kernel.connect("/ada")];
    const codes = clients.map((client) => {
      client.send("close it");
      return client.closed;
    });
    return (await Promise.all(codes)).every(({ code }) => code === 4700);
  });
  silent[0]![Symbol.dispose]();
});

Deno.test("a user keeps the place of a connection that was closed while much was unread until its client has answered", async () => {
  const chunk = { type: "binary", data: new Uint8Array(32 * 1024) };
  await using kernel = startKernel(({ processes }) => {
    const target = processes.spawn({
      "ws.join": ({ client_pid }: JoinMessage) => {
        for (let n = 0; n < 400; n++) processes.send(client_pid, "ws.send", chunk);
        processes.send(client_pid, "ws.close", { code: 4700, reason: "bye" });
      },
    });
    return relayTo(target, { metadata: { user_id: "ada" } });
  }, { maxConnectionsPerUser: 2, maxBufferedBytes: 32 * 1024 * 1024, maxBufferedBytesTotal: 1024 * 1024 * 1024 });
  const readAll = async (raw: RawSocket) => {
    for (let frame = await raw.nextFrame(); frame?.opcode !== CLOSE; frame = await raw.nextFrame()) assert(frame);
  };
  const clients = [await kernel.connectRaw(), await kernel.connectRaw()];
  await eventually("much is unread", async () => (await kernel.health()).closing_bytes > 16 * 1024);
  await Promise.all(clients.map(readAll));
  await new Promise((resolve) => setTimeout(resolve, 3_000)); // It is looked at every 2.5 s at least.
  assertEquals((await (await kernel.connect("/")).closed).code, 4429);
  for (const client of clients) await client.sendFrame(CLOSE, new Uint8Array([0x12, 0x5c]));
  await eventually("both places are free", async () => (await kernel.health()).closing_bytes === 0);
  const next = await kernel.connectRaw();
  assertEquals((await next.nextFrame())?.opcode, BINARY);
  for (const client of [...clients, next]) client[Symbol.dispose]();
});

Deno.test("five hundred refused clients may stay; those beyond them are answered by HTTP until one goes", async () => {
  await using kernel = startKernel(() => refuse({ code: "unauthorized", message: "No" }));
  const silent = await Promise.all(Array.from({ length: 500 }, async () => {
    const raw = await kernel.connectRaw();
    assertEquals((await raw.nextFrame())?.opcode, TEXT);
    return raw;
  }));
  using beyond = await RawSocket.connect(kernel.host);
  const { status, body } = await beyond.handshake();
  assertEquals([status, JSON.parse(body).code], [401, "unauthorized"]);
  const polite = silent.pop()!;
  assertEquals((await polite.nextClose())?.code, 4401);
  await polite.sendFrame(CLOSE, new Uint8Array([0x11, 0x31]));
  polite[Symbol.dispose]();
  await eventually("one is told on a socket again", async () => {
    using raw = await RawSocket.connect(kernel.host);
    return (await raw.handshake()).status === 101;
  });
  for (const raw of silent) raw[Symbol.dispose]();
});

Deno.test("refused clients that break off their handshakes are forgotten after ten seconds", async () => {
  const clock = install({ toFake: ["setTimeout", "clearTimeout"], shouldClearNativeTimers: true });
  using _clock = { [Symbol.dispose]: () => clock.uninstall() };
  let asked = 0;
  await using kernel = startKernel(async (_, { signal }) => {
    if (asked++ < 500) await new Promise((resolve) => signal.addEventListener("abort", resolve));
    return refuse({ code: "unauthorized", message: "No" });
  });
  const dialled = await Promise.all(Array.from({ length: 500 }, async () => {
    const raw = await RawSocket.connect(kernel.host);
    await raw.request();
    return raw;
  }));
  await eventually("all have been read", () => asked === 500);
  for (const raw of dialled) raw[Symbol.dispose]();
  await eventually("all are refused", async () => (await kernel.health()).counters.refused.unauthorized === 500);
  clock.tick(10_000);
  using next = await RawSocket.connect(kernel.host);
  assertEquals((await next.handshake()).status, 101);
});

Deno.test("connections that race for the last place of a user get one between them", async () => {
  await using kernel = startKernel(async ({ processes }) => {
    await Promise.resolve();
    return relayTo(processes.spawn(echoing(processes)), { metadata: { user_id: "ada" } });
  }, { maxConnectionsPerUser: 3 });
  const clients = await Promise.all(Array.from({ length: 10 }, () => kernel.connect()));
  for (const client of clients) client.send("x");
  const frames = await Promise.all(clients.map((client) => client.next()));
  assertEquals(frames.filter((frame) => frame === "x").length, 3);
  assertEquals(await fill(async () => await (await kernel.connect()).closed), 0);
  assertEquals((await kernel.health()).connections, 3);
  for (const client of clients) await client.close();
});

Deno.test("a client that is in the middle of sending hears why it is closed; one that never stops is cut off", async () => {
  await using kernel = startKernel(({ processes }) => relayTo(processes.spawn({})), {
    maxFrameBytes: 70_000,
    bytesPerSecond: 70_000,
    byteBurst: 2_000_000,
  });
  const tooLarge = encodeFrame(TEXT, "x".repeat(70_001));
  const more = encodeFrame(TEXT, "y".repeat(35_000));
  using busy = await kernel.connectRaw();
  await busy.write(tooLarge);
  for (let i = 0; i < 50; i++) await busy.write(more);
  assertEquals((await busy.nextClose())?.code, 1009);

  using endless = await kernel.connectRaw();
  await endless.write(tooLarge);
  await assertRejects(async () => {
    for (let i = 0; i < 5_000; i++) await endless.write(more);
  });
});

/** A process that closes whoever sends it a frame. */
function closing(processes: Processes) {
  return {
    "ws.message": ({ client_pid }: ClientMessage) => {
      processes.send(client_pid, "ws.close", { code: 4700, reason: "as you wish" });
    },
  };
}
