/** An isolate holds so many rooms and no more: whoever needs another one is sent to another isolate. */
import { assertEquals } from "@std/assert";
import { eventually } from "../support/eventually.ts";
import { serveChat, type ServedChat, userId } from "../support/serve_chat.ts";
import { openSocket } from "../support/socket.ts";

const OVERLOADED = { code: 1013, reason: "overloaded: This isolate has all the rooms it takes: connect again" };

/** How a connection that is not taken is closed. */
async function refusal(chat: ServedChat, user: number, query: string) {
  const socket = await openSocket(`${chat.url.replace("http", "ws")}/chat?jwt=${user}&${query}`);
  return await socket.closed;
}

Deno.test("over its bound of rooms an isolate refuses a connection to another one, and those that are open go on", async () => {
  await using chat = serveChat({ maxRooms: 2 });
  await using ann = await chat.connect(1, "room=a");
  await using bob = await chat.connect(2, "room=b&format=raw");
  for (const query of ["room=c", "room=c&format=raw"]) {
    assertEquals(await refusal(chat, 3, query), OVERLOADED);
  }
  assertEquals(await chat.store.history(userId(3), "c", undefined, 1).then(({ ok }) => ok), false, "it was not made");
  await using carl = await chat.connect(3, "room=a");
  ann.sendJson({ type: "chat", body: "hello" });
  await carl.nextOfType("new_message");
  carl.sendJson({ type: "join", room: "c", ref: "one more" });
  const { code, ref } = await carl.nextOfType("error");
  assertEquals([code, ref, chat.rooms()], ["overloaded", "one more", 2]);
  carl.sendJson({ type: "join", room: "b", ref: "open already" });
  assertEquals((await carl.nextOfType("joined")).ref, "open already");
  await bob.close();
});

Deno.test("rooms that nobody is in any more give up their places, the one that has been empty longest first", async () => {
  await using chat = serveChat({ maxRooms: 3, lingerMs: 60_000 });
  await using ann = await chat.connect(1, "room=home");
  const pass = async (room: string) => {
    ann.sendJson({ type: "join", room });
    await ann.nextOfType("joined");
    ann.sendJson({ type: "leave", room });
    await ann.nextOfType("left");
  };
  for (const room of ["a", "b", "a", "c", "d"]) await pass(room);
  assertEquals(chat.rooms(), 3);
  await using _bob = await chat.connect(2, "room=d");
  await using _carl = await chat.connect(3, "room=e");
  ann.sendJson({ type: "join", room: "f" });
  assertEquals((await ann.nextOfType("error")).code, "overloaded");
  ann.sendJson({ type: "join", room: "d" });
  await ann.nextOfType("joined");
});

Deno.test("an inbox whose rooms have no place is closed 1013, when it comes and when another room is to be heard", async () => {
  await using chat = serveChat({ maxRooms: 3, headCheckMs: 60_000 });
  for (const room of ["a", "b", "c", "d"]) await chat.store.createRoom("private", room, undefined, [userId(1)]);
  await chat.store.createRoom("private", "a2", undefined, [userId(2)]);
  await using bob = await chat.connect(2);
  assertEquals(await refusal(chat, 1, ""), OVERLOADED);
  bob.sendJson({ type: "resume", rooms: {} });
  await eventually("bob hears of his room, and nothing is left of the other one", () => chat.rooms() === 1);
  for (const room of ["e", "f"]) {
    bob.sendJson({ type: "join", room });
    await bob.nextOfType("joined");
  }
  await using carl = await chat.connect(3);
  carl.sendJson({ type: "dm", to: userId(2), body: "psst" });
  assertEquals([await carl.closed, await bob.closed], [OVERLOADED, OVERLOADED]);
  await eventually("they have left", () => chat.rooms() === 0);
});

Deno.test("raw connections that come together to different rooms get no more places than there are", async () => {
  await using chat = serveChat({ maxRooms: 2 });
  const ends = ["a", "b", "c", "d"].map(async (room, n) => {
    const socket = await openSocket(`${chat.url.replace("http", "ws")}/chat?jwt=${n + 1}&room=${room}&format=raw`);
    return {
      socket,
      end: await Promise.race([socket.closed, new Promise((resolve) => setTimeout(resolve, 500, "open"))]),
    };
  });
  const all = await Promise.all(ends);
  assertEquals(all.map(({ end }) => end).filter((end) => end !== "open"), [OVERLOADED, OVERLOADED]);
  assertEquals(chat.rooms(), 2);
  for (const { socket } of all) await socket.close();
});
