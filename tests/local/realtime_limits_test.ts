import { assert, assertEquals, assertMatch } from "@std/assert";
import type { RealtimeLimits } from "../../supabase/local/realtime/limits.ts";
import { eventually } from "../support/eventually.ts";
import { startTestLocal, type TestLocal } from "../support/start_local.ts";
import { within } from "../support/within.ts";
import { NO_FUNCTIONS, NO_MIGRATIONS } from "./fixtures/mod.ts";
import { realtimeClient } from "./realtime_client.ts";

const LEAVES_TIMERS = { sanitizeOps: false, sanitizeResources: false };

const LIMITS: Partial<RealtimeLimits> = {
  channelsPerConnection: 2,
  payloadBytes: 1_000,
  presenceCalls: 3,
  frameBytes: 4_000_000,
  bufferedBytes: 1_000_000,
};

Deno.test({
  name: "over a limit Realtime does what a hosted project does",
  ...LEAVES_TIMERS,
  fn: async (t) => {
    await using local = await startTestLocal({
      functionsDir: NO_FUNCTIONS,
      migrationsDir: NO_MIGRATIONS,
      realtime: LIMITS,
    });

    await t.step("a broadcast that is too large arrives nowhere; with ack its sender learns so", async () => {
      await using a = realtimeClient(local);
      await using b = realtimeClient(local);
      const [from, to] = [await a.join("size", { broadcast: { ack: true } }), await b.join("size")];
      const large = { text: "x".repeat(1_000) };
      assertEquals(await from.channel.send({ type: "broadcast", event: "large", payload: large }), "error");
      const refused = await from.channel.httpSend("large", large).catch((error: Error) => error.message);
      assertEquals(refused, "Payload size exceeds tenant limit");
      await from.channel.httpSend("small", {});
      assertEquals((await to.broadcasts(1)).map(({ event }) => event), ["small"]);
    });

    await t.step("a presence that is too large, or one call too many, ends the channel", async () => {
      await using client = realtimeClient(local);
      const large = await client.join("large presence");
      void large.channel.track({ text: "x".repeat(1_000) });
      assertEquals(await large.status(1), "CLOSED");
      assertEquals(large.system, ["Track message size exceeded"]);
      const busy = await client.join("busy presence");
      for (let i = 0; i < 3; i++) assertEquals(await busy.channel.track({ i }), "ok");
      void busy.channel.track({ i: 3 });
      assertEquals(await busy.status(1), "CLOSED");
      assertEquals(busy.system, ["Client presence rate limit exceeded"]);
    });

    await t.step("a channel too many is refused", async () => {
      await using client = realtimeClient(local);
      assertEquals((await client.join("1")).statuses, ["SUBSCRIBED"]);
      assertEquals((await client.join("2")).statuses, ["SUBSCRIBED"]);
      assertMatch((await client.join("3")).statuses[0]!, /ChannelRateLimitReached: Too many channels/);
    });

    await t.step("a frame that is too large closes the connection with 1009", async () => {
      const socket = await openSocket(local);
      const closed = Promise.withResolvers<CloseEvent>();
      socket.onclose = closed.resolve;
      socket.send("x".repeat(4_000_001));
      assertEquals((await within("the socket is closed", closed.promise)).code, 1009);
    });
  },
});

Deno.test({
  name: "who says nothing, no heartbeat either, is cut off",
  ...LEAVES_TIMERS,
  fn: async () => {
    await using local = await startTestLocal({
      functionsDir: NO_FUNCTIONS,
      migrationsDir: NO_MIGRATIONS,
      realtime: { idleTimeoutMs: 1_000 },
    });
    const socket = await openSocket(local);
    const closed = Promise.withResolvers<CloseEvent>();
    socket.onclose = closed.resolve;
    assertEquals((await within("the socket is cut", closed.promise, 60_000)).wasClean, false);
  },
});

Deno.test({
  name: "a client that does not read is cut off, and the others never notice",
  ...LEAVES_TIMERS,
  fn: async () => {
    await using local = await startTestLocal({
      functionsDir: NO_FUNCTIONS,
      migrationsDir: NO_MIGRATIONS,
      realtime: { bufferedBytes: 1_000_000, messagesPerSecond: Infinity },
    });
    await using reader = realtimeClient(local);
    await using writer = realtimeClient(local);
    const [read, written] = [await reader.join("flood"), await writer.join("flood")];
    using stalled = await joinWithoutReading(local, "flood");
    await eventually("the three have joined", () => local.realtime.count().channels === 3);
    const payload = { text: "x".repeat(100_000) };
    let sent = 0;
    await eventually("the one that does not read is gone", async () => {
      for (let i = 0; i < 10; i++, sent++) await written.channel.send({ type: "broadcast", event: "x", payload });
      return local.realtime.count().connections === 2;
    });
    assert(sent > 10);
    assertEquals((await read.broadcasts(sent)).length, sent);
    assertEquals(read.statuses, ["SUBSCRIBED"]);
    assert(stalled);
  },
});

Deno.test({
  name: "too many messages a second end the channels that are due one, and REST says so",
  ...LEAVES_TIMERS,
  fn: async () => {
    await using local = await startTestLocal({
      functionsDir: NO_FUNCTIONS,
      migrationsDir: NO_MIGRATIONS,
      realtime: { messagesPerSecond: 20 },
    });
    await using a = realtimeClient(local);
    await using b = realtimeClient(local);
    const [from, to] = [await a.join("rate"), await b.join("rate")];
    await eventually("an average is taken, and the next message ends the channel", async () => {
      for (let i = 0; i < 20; i++) await from.channel.send({ type: "broadcast", event: "x", payload: {} });
      return to.statuses[1] === "CLOSED";
    }, { everyMs: 100, deadlineMs: 60_000 });
    assert(to.received.length > 0);
    assertEquals(to.system, ["Too many messages per second"]);
    const refused = await from.channel.httpSend("x", {}).catch((error: Error) => error.message);
    assertEquals(refused, "You have exceeded your rate limit");
  },
});

async function openSocket(local: TestLocal): Promise<WebSocket> {
  const socket = new WebSocket(socketUrl(local));
  const opened = Promise.withResolvers<void>();
  socket.onopen = () => opened.resolve();
  await within("the socket opens", opened.promise);
  return socket;
}

/** A connection over plain TCP that joins a topic and reads nothing from then on. */
async function joinWithoutReading(local: TestLocal, topic: string): Promise<Deno.Conn> {
  const { hostname, port, pathname, search } = new URL(socketUrl(local));
  const connection = await Deno.connect({ hostname, port: Number(port) });
  const head = [
    `GET ${pathname}${search} HTTP/1.1`,
    `Host: ${hostname}`,
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    `Sec-WebSocket-Key: ${btoa("0123456789abcdef")}`,
    "\r\n",
  ].join("\r\n");
  const join = new TextEncoder().encode(JSON.stringify(["1", "1", `realtime:${topic}`, "phx_join", {}]));
  // A masked text frame under 126 bytes, with a mask of zeroes.
  const frame = new Uint8Array([0x81, 0x80 | join.length, 0, 0, 0, 0, ...join]);
  await connection.write(new TextEncoder().encode(head));
  await connection.read(new Uint8Array(1_024));
  await connection.write(frame);
  return connection;
}

function socketUrl(local: TestLocal): string {
  return `${local.url.replace("http", "ws")}/realtime/v1/websocket?apikey=${local.publishableKey}&vsn=2.0.0`;
}
