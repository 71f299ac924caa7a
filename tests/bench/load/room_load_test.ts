import { assertAlmostEquals, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { serve, type Served } from "../../support/serve.ts";
import { DeliveryCheck } from "./delivery_check.ts";
import { findMarked, type Marked, markedText } from "./marked_text.ts";
import { RoomLoad } from "./room_load.ts";

/** What a server does with a message, for each socket of the room: send it so often. */
type Delivery = (text: string, to: number) => string[];

const LOAD = { do: "load", room: "r", durationMs: 150, messageBytes: 200, inFlight: 2 } as const;

Deno.test("a load counts what was delivered: every message to every other member, and how late", async () => {
  await using server = serveRoom((text) => [text]);
  const room = await join(server, 4);
  const result = await room.run({ ...LOAD, perSecond: 100 });
  room.close();
  assertEquals([result.messages, result.deliveries, result.deliveriesToOthers, result.frames], [15, 45, 45, 45]);
  assertEquals(result.bytes, 45 * 200);
  assertAlmostEquals(result.seconds, 0.15, 0.1);
});

Deno.test("a saturated load ends with all that it sent delivered, and the next begins where it ended", async () => {
  await using server = serveRoom((text) => [text]);
  const room = await join(server, 8);
  for (let load = 0; load < 2; load++) {
    const { messages, deliveries } = await room.run(LOAD);
    assertEquals(deliveries, messages * 7);
  }
  room.close();
});

Deno.test("several messages in one frame count each", async () => {
  const waiting = new Map<number, string[]>();
  await using server = serveRoom((text, to) => {
    if (!text.startsWith("#")) return [text];
    const texts = [...waiting.get(to) ?? [], text];
    waiting.set(to, texts.length < 3 ? texts : []);
    return texts.length < 3 ? [] : [`[${texts.join(",")}]`];
  });
  const room = await join(server, 4);
  const { deliveries, frames } = await room.run({ ...LOAD, perSecond: 100 });
  room.close();
  assertEquals([deliveries, frames], [45, 15]);
});

const faulty: [name: string, delivery: Delivery, error: RegExp][] = [
  ["doubles", (text) => [text, text], /came where/],
  ["drops", (text, to) => isNumber(text, 3) && to === 2 ? [] : [text], /message 4 of sender 0 came where 3 was due/],
  ["refuses", (text, to) => isNumber(text, 3) && to === 2 ? ['{"type":"error","code":"x"}'] : [text], /"code":"x"/],
];
for (const [name, delivery, error] of faulty) {
  Deno.test(`a server that ${name} fails the load`, async () => {
    await using server = serveRoom(delivery);
    const room = await join(server, 4);
    const failure = await assertRejects(() => room.run({ ...LOAD, perSecond: 100 }), Error);
    room.close();
    assertEquals(error.test(failure.message), true, failure.message);
  });
}

Deno.test("a server that brings two members the same in two orders fails the load", async () => {
  // Of two senders each keeps his own order, but member 3 hears them the other way round.
  const held: string[] = [];
  await using server = serveRoom((text, to) => {
    if (to !== 3 || !text.startsWith("#")) return [text];
    held.push(text);
    return held.length < 2 ? [] : held.splice(0).reverse();
  });
  const room = await join(server, 4, 2);
  const failure = await assertRejects(() => room.run({ ...LOAD, durationMs: 100, perSecond: 200 }), Error);
  room.close();
  assertEquals(failure.message, "r: members received the same messages in 2 orders");
});

Deno.test("DeliveryCheck takes each sender's messages in order and once", () => {
  const check = new DeliveryCheck("member 1", 2);
  for (const [sender, number] of [[0, 0], [1, 0], [0, 1]] as const) check.take(sender, number);
  for (const number of [0, 1, 3]) assertThrows(() => check.take(0, number), Error, "where 2 was due");
  check.take(0, 2);
});

Deno.test("findMarked reads what markedText wrote, wherever it stands in a frame, and nothing of the next frame", () => {
  const marks = [{ sender: 4, number: 0, sentUs: 17 }, { sender: 0, number: 123_456, sentUs: 9_007_199_254 }];
  const texts = marks.map((mark) => markedText(mark, 200));
  const frame = new TextEncoder().encode(`{"events":[{"body":"${texts[0]}"},{"body":"${texts[1]}"}]}`);
  const next = new TextEncoder().encode(`${texts[0]}`);
  const found: Marked[] = [];
  const buffer = new Uint8Array([...frame, ...next]);
  assertEquals(findMarked(buffer, 0, frame.length, (mark) => found.push({ ...mark })), 2);
  assertEquals([found, texts.map(({ length }) => length)], [marks, [200, 200]]);
});

function isNumber(text: string, number: number): boolean {
  return text.startsWith(`#0:${number}:`);
}

/** A room whose members are numbered as they come; what one sends goes to the others, as `delivery` has it. */
function serveRoom(delivery: Delivery): Served {
  const members: WebSocket[] = [];
  return serve((request) => {
    const { socket, response } = Deno.upgradeWebSocket(request);
    socket.onopen = () => members.push(socket);
    socket.onmessage = ({ data }) => {
      members.forEach((member, to) => {
        if (member !== socket) { for (const text of delivery(data, to)) member.send(text); }
      });
    };
    return response;
  });
}

function join(server: Served, members: number, senders = 1): Promise<RoomLoad> {
  return RoomLoad.join({
    do: "join",
    room: "r",
    urls: Array.from({ length: members }, () => server.socketUrl),
    senders,
    dialect: { frames: "plain", echoesSender: false },
  });
}
