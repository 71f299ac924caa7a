import { assertEquals } from "@std/assert";
import { serveChat, userId } from "../support/serve_chat.ts";

const RAISED = { sockets: { messagesPerSecond: 1e6, bytesPerSecond: 1e9 } };

Deno.test("a client has positions in 1,000 rooms of others at most, in all that it sends", async () => {
  await using chat = serveChat(RAISED);
  const client = await chat.connect(1);
  const resume = (from: number, count: number) => {
    const rooms = Array.from({ length: count }, (_, n) => [`none-${from + n}`, { since: 0 }]);
    client.sendJson({ type: "resume", rooms: Object.fromEntries(rooms) });
  };
  resume(0, 600);
  for (let n = 0; n < 600; n++) {
    assertEquals((await client.nextJson()).code, "room_not_found");
    assertEquals((await client.nextJson()).type, "left");
  }
  resume(600, 401);
  assertEquals(await client.closed, { code: 4400, reason: "bad_frame: positions in more than 1000 rooms of others" });
});

Deno.test("a connection joins 2,000 rooms and no more, until it leaves one", async () => {
  await using chat = serveChat(RAISED);
  await using client = await chat.connect(1);
  const answerTo = async (ref: string) => {
    for (;;) {
      const frame = await client.nextJson();
      if (frame.ref === ref) return frame;
    }
  };
  for (let n = 0; n < 2_000; n += 100) {
    for (let i = n; i < n + 100; i++) client.sendJson({ type: "join", room: `room-${i}`, ref: `${i}` });
    assertEquals((await answerTo(`${n + 99}`)).type, "joined");
  }
  client.sendJson({ type: "join", room: "one-more", ref: "refused" });
  assertEquals((await answerTo("refused")).code, "overloaded");
  client.sendJson({ type: "join", room: "room-7", ref: "again" });
  assertEquals((await answerTo("again")).type, "joined");
  client.sendJson({ type: "leave", room: "room-7" });
  client.sendJson({ type: "join", room: "one-more", ref: "taken" });
  assertEquals((await answerTo("taken")).type, "joined");
});

Deno.test("of the rooms that a client says it leaves, the last 1,000 are remembered", async () => {
  await using chat = serveChat(RAISED);
  await chat.store.createRoom("private", "team", undefined, [userId(1)]);
  await using client = await chat.connect(1);
  client.sendJson({ type: "leave", room: "team" });
  assertEquals((await client.nextOfType("left")).room, "team");
  for (let n = 0; n < 1_000; n++) client.sendJson({ type: "leave", room: `any-${n}` });
  // Forgotten, it is a room of the user's again, as the next look at the store finds.
  assertEquals((await client.nextOfType("joined")).room, "team");
});
