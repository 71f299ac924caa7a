import { assert, assertEquals, assertRejects } from "@std/assert";
import { install } from "@sinonjs/fake-timers";
import { memoryStore } from "../../shared/store/memory_store.ts";
import type { Store } from "../../shared/store/store.ts";
import { eventually } from "../support/eventually.ts";
import { inProcessChat, type StandInSocket } from "../support/in_process_chat.ts";
import { serveChat, type ServedChat, userId } from "../support/serve_chat.ts";

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
  // It is told of none of these: two frames for each would keep others waiting.
  await assertRejects(() => client.next(), Error, "before a frame came");
});

Deno.test("a connection has its user's rooms looked up 20 times a minute, by resume and refresh, and is refused beyond", async () => {
  const clock = install({ now: 1_900_000_000_000, toFake: ["Date"] });
  using _restored = { [Symbol.dispose]: () => clock.uninstall() };
  const store = memoryStore();
  const lookUps: (readonly string[])[] = [];
  const heads: typeof store.heads = (rooms, users) => {
    lookUps.push(users);
    return store.heads(rooms, users);
  };
  await using chat = serveChat({ store: { ...store, heads }, ...RAISED });
  await using client = await chat.connect(1);
  const outcomes = async (count: number) => {
    for (let n = 0; n < count; n++) client.sendJson({ type: "resume", rooms: {}, ref: "x" });
    client.sendJson({ type: "refresh", jwt: "1", ref: "r" });
    client.sendJson({ type: "ping", ref: "end" });
    const told: unknown[] = [];
    for (;;) {
      const frame = await client.nextJson();
      told.push(frame.code ?? frame.type);
      if (frame.ref === "end") return told;
    }
  };
  lookUps.length = 0;
  assertEquals(await outcomes(18), ["refreshed", "pong"]);
  assertEquals(await outcomes(100), [...Array(100).fill("rate_limited"), "pong"]);
  assertEquals(lookUps.length, 20);
  clock.tick(60_000);
  assertEquals(await outcomes(0), ["refreshed", "pong"]);
});

Deno.test("what many connections of a user have looked up at once is one call, and one more for those who asked meanwhile", async () => {
  const store = memoryStore();
  let calls = 0;
  const answer = Promise.withResolvers<void>();
  const chat = inProcessChat({ store: { ...store, heads: (...asked) => heads(...asked) } });
  let heads = store.heads;
  const clients: StandInSocket[] = [];
  for (let n = 0; n < 10; n++) clients.push(await chat.connect(1, ""));
  heads = async (...asked) => {
    calls++;
    await answer.promise;
    return await store.heads(...asked);
  };
  for (const client of clients) client.frames = 0;
  for (const client of clients) client.receive(JSON.stringify({ type: "resume", rooms: { none: { since: 0 } } }));
  await eventually("one has asked", () => calls === 1);
  answer.resolve();
  await eventually("all are told", () => clients.every(({ frames }) => frames === 2));
  assertEquals(calls, 2);
  chat.close();
});

Deno.test("who has all the connections that he may have makes no room, and asks the database nothing", async () => {
  const store = memoryStore();
  const joined: string[] = [];
  const join: Store["join"] = (user, room, options) => {
    joined.push(room);
    return store.join(user, room, options);
  };
  await using chat = serveChat({ store: { ...store, join }, sockets: { maxConnectionsPerUser: 1 } });
  const client = await chat.connect(1);
  const refused = await chat.connect(1, "room=new");
  assertEquals(refused.first.code, "too_many_connections");
  assertEquals((await refused.closed).code, 4429);
  assertEquals(joined, []);
  await client.close();
  await eventually("there is a place again", async () => {
    await using client = await chat.connect(1, "room=new");
    return client.first.type === "connection";
  });
  assertEquals(joined, ["new"]);
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

Deno.test("of a user's rooms a connection hears of 2,000 and says how many more there are; those are joined by name", async () => {
  await using chat = serveChat(RAISED);
  await fillRooms(chat, 2_100);
  await using client = await chat.connect(1);
  const { rooms, rooms_left_out } = client.first as { rooms: Record<string, unknown>; rooms_left_out: number };
  assertEquals([Object.keys(rooms).length, rooms_left_out], [2_000, 100]);
  const leftOut = Array.from({ length: 2_100 }, (_, n) => `room-${n}`).filter((room) => !Object.hasOwn(rooms, room));
  client.sendJson({ type: "ping" });
  await client.nextOfType("pong");
  assertEquals(chat.rooms(), 2_000);
  await chat.store.createRoom("private", "new", undefined, [userId(1)]);
  await aCheck(chat);
  client.sendJson({ type: "join", room: leftOut[7] });
  assertEquals((await client.nextJson()).room, leftOut[7], "nothing was said in between");
  await eventually(
    "it holds the 2,000, the one that was joined, and none of who has gone",
    () => chat.rooms() === 2_001,
  );
});

Deno.test("of rooms that a client has positions in those go first, and it hears of 2,000 in all", async () => {
  await using chat = serveChat(RAISED);
  await fillRooms(chat, 2_100);
  await using client = await chat.connect(1);
  const { rooms } = client.first as { rooms: Record<string, unknown> };
  const leftOut = Array.from({ length: 2_100 }, (_, n) => `room-${n}`).filter((room) => !Object.hasOwn(rooms, room));
  client.sendJson({ type: "resume", rooms: Object.fromEntries(leftOut.map((room) => [room, { since: 1 }])) });
  const joined: string[] = [];
  while (joined.length < 2_000) joined.push((await client.nextOfType("joined")).room as string);
  assertEquals(joined.slice(0, 100), leftOut);
  client.sendJson({ type: "resume", rooms: { [Object.keys(rooms).at(-1)!]: { since: 1 } } });
  assertEquals((await client.nextOfType("left")).room, Object.keys(rooms).at(-1), "it has no place");
  assertEquals(chat.rooms(), 2_000);
});

Deno.test("who is added to more than 2,000 rooms is told once that there are more, and hears of one when he leaves another", async () => {
  await using chat = serveChat(RAISED);
  await fillRooms(chat, 1_999);
  await using client = await chat.connect(1);
  client.sendJson({ type: "ping" });
  await client.nextOfType("pong");
  for (const room of ["a", "b", "c"]) await chat.store.createRoom("private", room, undefined, [userId(1)]);
  const told: unknown[] = [];
  const hear = async (isLast: () => boolean) => {
    while (!isLast()) {
      const { type, code } = await client.nextJson();
      told.push(code ?? type);
    }
  };
  await hear(() => told.length === 3);
  assertEquals(told.toSorted(), ["joined", "member", "overloaded"]);
  await aCheck(chat);
  client.sendJson({ type: "leave", room: "room-7" });
  await hear(() => told.length === 6);
  assertEquals(told.slice(3), ["left", "joined", "member"]);
  await aCheck(chat);
  client.sendJson({ type: "ping" });
  await hear(() => told.length === 7);
  assertEquals(told.at(-1), "pong");
});

async function fillRooms({ store }: ServedChat, count: number): Promise<void> {
  for (let n = 0; n < count; n++) await store.createRoom("private", `room-${n}`, undefined, [userId(1)]);
}

/** Somebody else is added to a room, and hears of it: so has everybody whom the same look at the store told. */
async function aCheck(chat: ServedChat): Promise<void> {
  const other = await chat.connect(9);
  await chat.store.createRoom("private", crypto.randomUUID(), undefined, [userId(9)]);
  await other.nextOfType("joined");
  await other.close();
}

Deno.test("who loses the room of his connection has no other rooms looked up for it", async () => {
  const store = memoryStore();
  await store.createRoom("private", "p", undefined, [userId(1)]);
  for (let n = 2; n <= 30; n++) await store.openDirect({ id: userId(1) }, userId(n));
  let reads = 0;
  const eventsSince: Store["eventsSince"] = (...args) => {
    reads++;
    return store.eventsSince(...args);
  };
  await using chat = serveChat({ store: { ...store, eventsSince }, headCheckMs: 100 });
  await using ann = await chat.connect(1, "room=p");
  ann.sendJson({ type: "resume", rooms: {} });
  await ann.nextOfType("joined");
  const before = reads;
  await store.removeMember("p", userId(1));
  assertEquals((await ann.closed).code, 4403);
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert(reads - before <= 2, `${reads - before} reads`);
});
