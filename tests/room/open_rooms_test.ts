/** An isolate holds so many rooms and no more: whoever needs another one is sent to another isolate. */
import { assertEquals, fail as failTest } from "@std/assert";
import { memoryBus } from "../../shared/bus/memory_bus.ts";
import { Peers } from "../../shared/isolate/peers.ts";
import { Processes } from "../../shared/process/mod.ts";
import { Rooms } from "../../shared/room/rooms.ts";
import { memoryStore } from "../../shared/store/memory_store.ts";
import { eventually } from "../support/eventually.ts";
import { serveChat, type ServedChat, userId } from "../support/serve_chat.ts";
import { openSocket } from "../support/socket.ts";

const fail = (error: unknown) => failTest(String(error));
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

Deno.test("a room that changed more than once a millisecond, and was closed, is heard of again as it opens", async () => {
  const bus = memoryBus();
  const store = memoryStore();
  const isolate = (isolateId: string) => {
    const processes = new Processes({ isolateId });
    const peers = new Peers({ isolateId, broadcast: bus });
    const rooms = new Rooms({ store, bus, processes, peers, lingerMs: 200, leaveGraceMs: 0, onError: fail });
    rooms.connect(userId(9), { pid: `${isolateId}.9`, roomsChanged() {} });
    return rooms;
  };
  const [a, b] = [isolate("A"), isolate("B")];
  const joined = await store.join({ id: userId(1) }, "r", { createRooms: true });
  if (!joined.ok) throw new Error(joined.error.message);
  const view = joined.value;
  const enter = (rooms: Rooms, pid: string) => {
    rooms.join(rooms.open(view), { pid, userId: pid, batch: false, present: true, removed() {} }, view.head);
  };
  const seen = () =>
    b.present("r")?.flatMap(({ state = [], joined = [] }) => [...state, ...joined]).map((m) => m.user_id);
  enter(b, "B.1");
  for (let n = 0; n < 3_000; n++) {
    enter(a, "A.1");
    a.leave("r", "A.1");
  }
  await eventually("the room is closed on the one", () => a.count === 0);
  enter(a, "A.2");
  await eventually("the other one sees who came back there", () => seen()?.toSorted().join() === "A.2,B.1");
  a.close();
  b.close();
});
