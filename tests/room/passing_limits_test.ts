import { assert, assertEquals } from "@std/assert";
import { install } from "@sinonjs/fake-timers";
import { memoryBus } from "../../shared/bus/memory_bus.ts";
import { PASSING_LIMITS, PassingBudget } from "../../shared/room/passing_budget.ts";
import { memoryStore } from "../../shared/store/memory_store.ts";
import { serveChat, userId } from "../support/serve_chat.ts";
import type { TestSocket } from "../support/socket.ts";

const RAISED = { messagesPerSecond: 1e6, bytesPerSecond: 1e9, maxFrameBytes: 4 * 1024 * 1024 };
/** Eight of these to four connections are all that a user may send at once. */
const LARGE = "x".repeat(PASSING_LIMITS.byteBurst / 4 / 8 - 200);

Deno.test("signals of a user are bounded by what they cost: size times those who hear it, over all connections", async () => {
  // Nothing is given back meanwhile.
  using _clock = frozenDate();
  await using chat = serveChat({ sockets: RAISED });
  const [first, second, other, reader] = [
    await chat.connect(1, "room=r"),
    await chat.connect(1, "room=r"),
    await chat.connect(2, "room=r"),
    await chat.connect(3, "room=r"),
  ];
  const say = async (client: TestSocket, ref: string) => {
    client.sendJson({ type: "signal", data: LARGE });
    client.sendJson({ type: "ping", ref });
    for (let refused = false;;) {
      const frame = await client.nextJson();
      if (frame.code === "rate_limited") refused = true;
      if (frame.ref === ref) return refused ? "refused" : "passed";
    }
  };
  const outcomes: string[] = [];
  for (let n = 0; n < 10; n++) outcomes.push(await say(n % 2 === 0 ? first : second, `${n}`));
  assertEquals(outcomes, [...Array(8).fill("passed"), "refused", "refused"]);
  assertEquals(await say(other, "o"), "passed", "another user has his own");
  for (let heard = 0; heard < 9;) if ((await reader.nextJson()).type === "signal") heard++;
  first.sendJson({ type: "signal", data: LARGE, to: crypto.randomUUID() });
  first.sendJson({ type: "chat", body: "messages are bounded by the store", ref: "m" });
  while ((await first.nextJson()).ref !== "m");
  for (const client of [first, second, other, reader]) await client.close();
});

Deno.test("a signal to one user costs what all of his connections hear", async () => {
  using _clock = frozenDate();
  await using chat = serveChat({ sockets: RAISED });
  await using sender = await chat.connect(1, "room=r");
  const readers = [];
  for (let n = 0; n < 4; n++) readers.push(await chat.connect(2, "room=r"));
  const other = await chat.connect(3, "room=r");
  const outcomes: string[] = [];
  for (let n = 0; n < 10; n++) {
    sender.sendJson({ type: "signal", data: LARGE, to: userId(2), ref: "signal" });
    sender.sendJson({ type: "ping", ref: "ping" });
    let frame = await sender.nextJson();
    while (frame.ref === undefined) frame = await sender.nextJson();
    outcomes.push(frame.type as string);
    if (frame.type === "pong") { for (const reader of readers) await reader.nextOfType("signal"); }
    else await sender.nextOfType("pong");
  }
  // Eight to four connections, as to a room of four.
  assertEquals(outcomes, [...Array(8).fill("pong"), "error", "error"]);
  other.sendJson({ type: "signal", data: "last" });
  for (const reader of readers) assertEquals((await reader.nextOfType("signal")).data, "last");
  for (const client of [other, ...readers]) await client.close();
});

Deno.test("a frame that comes to more bytes than may be sent at once never passes, one to more connections does", () => {
  const { byteBurst, messageBurst } = PASSING_LIMITS;
  const budget = new PassingBudget(PASSING_LIMITS, 10, () => 0);
  assertEquals(budget.take("ann", 60_000, 1_000), false);
  assertEquals(budget.take("ann", byteBurst / 1_000, 1_000), true);
  assertEquals(budget.take("bob", 1, messageBurst + 1), true);
  assertEquals(budget.take("bob", 1, 1), false);
});

Deno.test("a raw connection that sends more than may be sent to so many is closed 4429", async () => {
  using _clock = frozenDate();
  await using chat = serveChat({ sockets: RAISED });
  const [sender, reader] = [await chat.connect(1, "room=r&format=raw"), await chat.connect(2, "room=r&format=raw")];
  const frame = new Uint8Array(4 * 1024 * 1024);
  for (let n = 0; n < 4; n++) {
    sender.send(frame);
    assertEquals((await reader.next() as ArrayBuffer).byteLength, frame.length);
  }
  sender.send(frame);
  const { code, reason } = await sender.closed;
  assertEquals([code, reason.split(":")[0]], [4429, "rate_limited"]);
  assert(reader.socket.readyState === WebSocket.OPEN);
  await reader.close();
});

Deno.test("connections one after another have no more than one, and a crowd on another isolate hears no more than one here", async () => {
  using _clock = frozenDate();
  const [bus, store] = [memoryBus(), memoryStore()];
  await using here = serveChat({ bus, store, sockets: RAISED });
  await using there = serveChat({ bus, store, sockets: RAISED });
  const crowd = [];
  for (let n = 0; n < 4; n++) crowd.push(await there.connect(10 + n, "room=r"));
  for (let n = 0; n < 5; n++) {
    // Alone on its isolate, where it costs a fourth of what it does on the other one.
    const sender = await here.connect(1, "room=r");
    for (let i = 0; i < 2; i++) sender.sendJson({ type: "signal", data: LARGE });
    sender.sendJson({ type: "ping" });
    await sender.nextOfType("pong");
    await sender.close();
  }
  const other = await here.connect(2, "room=r");
  other.sendJson({ type: "signal", data: "the last" });
  for (const reader of crowd) {
    const heard: unknown[] = [];
    while (heard.at(-1) !== "the last") heard.push((await reader.nextOfType("signal")).data);
    assertEquals(heard.length - 1, 8);
  }
  for (const client of [other, ...crowd]) await client.close();
});

Deno.test("connections one after another have no more than one, on their own isolate", async () => {
  using _clock = frozenDate();
  await using chat = serveChat({ sockets: RAISED });
  const readers = [];
  for (let n = 0; n < 3; n++) readers.push(await chat.connect(10 + n, "room=r"));
  const outcomes: unknown[] = [];
  for (let n = 0; n < 10; n++) {
    const sender = await chat.connect(1, "room=r");
    sender.sendJson({ type: "signal", data: LARGE, ref: "s" });
    sender.sendJson({ type: "ping", ref: "p" });
    for (let frame; frame?.ref !== "p"; outcomes.push(frame.code ?? frame.type)) {
      do frame = await sender.nextJson(); while (frame.ref === undefined);
    }
    await sender.close();
  }
  assertEquals(outcomes.filter((outcome) => outcome === "rate_limited").length, 2);
  for (const client of readers) await client.close();
});

Deno.test("a raw connection that is too much for another isolate is closed 4429, and those there stay", async () => {
  using _clock = frozenDate();
  const [bus, store] = [memoryBus(), memoryStore()];
  await using here = serveChat({ bus, store, sockets: RAISED });
  await using there = serveChat({ bus, store, sockets: RAISED });
  const sender = await here.connect(1, "room=r&format=raw");
  const readers = [await there.connect(2, "room=r&format=raw"), await there.connect(3, "room=r&format=raw")];
  const frame = "x".repeat(4 * 1024 * 1024);
  for (let n = 0; n < 4; n++) {
    sender.send(frame);
    for (const reader of readers) assertEquals((await reader.next() as string).length, frame.length);
  }
  sender.send(frame);
  const { code, reason } = await sender.closed;
  assertEquals([code, reason.split(":")[0]], [4429, "rate_limited"]);
  for (const reader of readers) {
    assert(reader.socket.readyState === WebSocket.OPEN);
    await reader.close();
  }
});

Deno.test("what a user has used is known until it is given back, of so many users, and those beyond share one's", () => {
  let now = 1_000;
  const limits = { messagesPerSecond: 1, messageBurst: 4, bytesPerSecond: 100, byteBurst: 200 };
  const budget = new PassingBudget(limits, 3, () => now);
  assert(budget.take("a", 200, 1));
  assert(!budget.take("a", 1, 1));
  assert(budget.take("b", 10, 4));
  assert(!budget.take("b", 0, 1), "deliveries count by themselves");
  assert(!budget.take("c", 201, 1), "so much at once is more than may be used");
  assertEquals([budget.take("d", 200, 1), budget.take("e", 200, 1), budget.size], [true, false, 3]);
  now += 3_999;
  assert(budget.take("a", 1, 1));
  assertEquals(budget.size, 3);
  now += 1;
  assertEquals([budget.take("d", 200, 1), budget.take("e", 200, 1), budget.size], [true, true, 3]);
  now -= 60_000;
  assert(budget.take("f", 200, 1), "a clock that was set back keeps nobody");
});

function frozenDate(): Disposable {
  const clock = install({ now: 1_900_000_000_000, toFake: ["Date"] });
  return { [Symbol.dispose]: () => clock.uninstall() };
}
