import { assert, assertEquals } from "@std/assert";
import type { SubscribeOptions } from "../../shared/bus/bus.ts";
import { memoryBus } from "../../shared/bus/memory_bus.ts";
import type { SendMessage } from "../../shared/connection/mod.ts";
import { Peers } from "../../shared/isolate/peers.ts";
import { Processes } from "../../shared/process/mod.ts";
import { RingBudget } from "../../shared/room/ring_budget.ts";
import { RoomCounters } from "../../shared/room/room_counters.ts";
import { type Member, Room, ROOM_LIMITS } from "../../shared/room/room.ts";
import { Rooms } from "../../shared/room/rooms.ts";
import { type MemoryStore, memoryStore } from "../../shared/store/memory_store.ts";
import { eventually } from "../support/eventually.ts";
import { serveChat, type ServedChat, userId } from "../support/serve_chat.ts";
import type { TestSocket } from "../support/socket.ts";
import { within } from "../support/within.ts";

/** What these tests look at in a frame. */
interface Heard {
  readonly type: string;
  readonly seq?: number;
  readonly reason?: string;
  readonly code?: string;
  readonly message?: { readonly seq: number; readonly body: string };
  readonly members?: readonly { readonly user_id: string }[];
  readonly state?: readonly { readonly user_id: string }[];
  readonly joined?: readonly { readonly user_id: string }[];
}

/** Waits a moment, to show that nothing comes. */
function settle(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 100));
}

/** What has come and was not taken. */
function waiting({ waiting }: Pick<TestSocket, "waiting">): Heard[] {
  return waiting.map((frame) => JSON.parse(frame as string));
}

/** Takes frames up to and with the first of a type. */
async function takeUntil(socket: TestSocket, type: string): Promise<Heard[]> {
  const taken: Heard[] = [];
  do taken.push(await socket.nextJson() as unknown as Heard); while (taken.at(-1)!.type !== type);
  return taken;
}

/** The bodies of messages among frames. */
function bodies(frames: readonly Heard[]): string[] {
  return frames.flatMap(({ type, message }) => type === "new_message" && message ? [message.body] : []);
}

/** Waits for the answer to a ping, by which all that was sent before has been handled. */
async function pong(socket: TestSocket): Promise<void> {
  socket.sendJson({ type: "ping" });
  await socket.nextOfType("pong");
}

/** A memory store that counts how often it was asked what has changed, so that a test can wait for the next check. */
function storeWithChecks(): { store: MemoryStore; nextChecks: (count: number) => Promise<unknown> } {
  const store = memoryStore();
  let checks = 0;
  const changes: MemoryStore["changes"] = async (known) => {
    const answer = await store.changes(known);
    checks++;
    return answer;
  };
  const nextChecks = (count: number) => {
    const from = checks;
    return eventually(`${count} checks of heads`, () => checks >= from + count);
  };
  return { store: { ...store, changes }, nextChecks };
}

/** A memory store some of whose answers on heads and rooms are true when they are made, and come when a test says so. */
function storeWithLateHeads(isLate: (rooms: readonly string[], users: readonly string[]) => boolean) {
  const store = memoryStore();
  let late: { asked: PromiseWithResolvers<void>; released: PromiseWithResolvers<void> } | undefined;
  const inTime = async <T>(rooms: readonly string[], users: readonly string[], answer: T): Promise<T> => {
    if (late !== undefined && isLate(rooms, users)) {
      late.asked.resolve();
      await late.released.promise;
    }
    return answer;
  };
  const heads: MemoryStore["heads"] = async (rooms, users) => inTime(rooms, users, await store.heads(rooms, users));
  const changes: MemoryStore["changes"] = async (known) =>
    inTime([...known.heads.keys()], [...known.digests.keys()], await store.changes(known));
  return {
    store: { ...store, heads, changes },
    /** From now on; gives what waits for the first such question, and what lets the answers go. */
    hold() {
      const held = late = { asked: Promise.withResolvers<void>(), released: Promise.withResolvers<void>() };
      const release = () => {
        late = undefined;
        held.released.resolve();
      };
      return { asked: within("heads are asked for", held.asked.promise), release };
    },
  };
}

function member(pid: string): Member {
  return { pid, userId: "u", batch: false, present: true, removed() {} };
}

Deno.test("a raw connection of a user who is removed is closed 4403 by the next head check, and hears nothing more", async () => {
  await using chat = serveChat();
  await chat.store.createRoom("private", "secret", "s", [userId(9), userId(8), userId(1)]);
  await using ann = await chat.connect(1, "room=secret&format=raw");
  await using bob = await chat.connect(9, "room=secret&format=raw");
  await using cid = await chat.connect(8, "room=secret&format=raw");
  await chat.store.removeMember("secret", userId(1));
  assertEquals((await ann.closed).code, 4403);
  bob.send("for members only");
  assertEquals(await cid.next(), "for members only");
  assertEquals(ann.waiting, []);
});

Deno.test("an inbox that left a room stays out of it over the head checks that follow", async () => {
  const { store, nextChecks } = storeWithChecks();
  await using chat = serveChat({ store });
  await store.createRoom("public", "r", "r", [userId(1)]);
  await using ann = await chat.connect(1);
  ann.sendJson({ type: "leave", room: "r" });
  await ann.nextOfType("left");
  await nextChecks(2);
  await settle();
  assertEquals(waiting(ann), []);
});

Deno.test("resume does not join a room that the user was removed from while it waited", async () => {
  await using chat = serveChat({ headCheckMs: 60_000 });
  const { store } = chat;
  await store.createRoom("private", "secret", "s", [userId(9), userId(1)]);
  await store.post([{ kind: "message", actor: { id: userId(9) }, room: "secret", body: "before" }]);
  await using ann = await chat.connect(1);
  await store.removeMember("secret", userId(1));
  await store.post([{ kind: "message", actor: { id: userId(9) }, room: "secret", body: "after the removal" }]);
  ann.sendJson({ type: "resume", rooms: { secret: { since: 0 } } });
  ann.sendJson({ type: "ping" });
  assertEquals((await takeUntil(ann, "pong")).map(({ type }) => type), ["error", "left", "pong"]);
  await settle();
  assertEquals(waiting(ann), []);
});

Deno.test("an answer of the store from before a removal does not bring the user back in", async () => {
  const { store, hold } = storeWithLateHeads((rooms) => rooms.length > 0);
  await using chat = serveChat({ store });
  await store.createRoom("private", "secret", "s", [userId(9), userId(1)]);
  await using bob = await chat.connect(9, "room=secret");
  await using ann = await chat.connect(1);
  await pong(ann);
  const { asked, release } = hold();
  await asked;
  await store.removeMember("secret", userId(1));
  // By this write the isolate finds the event before it: the removal.
  bob.sendJson({ type: "chat", body: "x" });
  await ann.nextOfType("left");
  release();
  await settle();
  bob.sendJson({ type: "chat", body: "for members only" });
  while (!bodies([await bob.nextOfType("new_message") as unknown as Heard]).includes("for members only"));
  await settle();
  assertEquals(waiting(ann), []);
});

Deno.test("a user who is removed between the check of his membership and his socket hears nothing", async () => {
  const { store, hold } = storeWithLateHeads((rooms, users) => rooms.length === 0 && users.includes(userId(1)));
  await store.createRoom("private", "secret", "s", [userId(9), userId(1)]);
  await using chat = serveChat({ store, headCheckMs: 60_000 });
  await using bob = await chat.connect(9, "room=secret");
  const { asked, release } = hold();
  const opening = chat.connect(1, "room=secret");
  await asked;
  await store.removeMember("secret", userId(1));
  bob.sendJson({ type: "chat", body: "x" });
  await bob.nextOfType("new_message");
  release();
  await using ann = await opening;
  assertEquals((await ann.closed).code, 4403);
  bob.sendJson({ type: "chat", body: "for members only" });
  await bob.nextOfType("new_message");
  await settle();
  assertEquals(bodies(waiting(ann)), []);
});

Deno.test("join() of a client that stands further on than this isolate sends it nothing twice", async () => {
  const received: number[] = [];
  const reads: number[] = [];
  const errors: unknown[] = [];
  const room = new Room("r", { epoch: "e", head: 10 }, {
    store: {
      eventsSince: (_room, since) => {
        reads.push(since);
        const events = [11, 12].filter((seq) => seq > since).map((seq) => ({
          room: "r",
          seq,
          frame: {
            type: "reaction" as const,
            room: "r",
            seq,
            message_id: "m",
            user_id: "u",
            emoji: "👍",
            removed: false,
          },
        }));
        return Promise.resolve({ epoch: "e", head: 12, floor: 0, events });
      },
    },
    recipient: (pid) => ({
      pid,
      send(_topic, frame) {
        received.push(JSON.parse((frame as SendMessage).data as string).seq);
        return "ok";
      },
    }),
    drained: () => Promise.resolve(),
    drop() {},
    removed() {},
    counters: new RoomCounters(),
    onError: (error) => errors.push(error),
    rings: new RingBudget(ROOM_LIMITS.ringCharsTotal),
    limits: { ...ROOM_LIMITS, gapWaitMs: 1 },
  });
  room.noticeHead("e", 12); // As the store said when the client came.
  assertEquals(room.resyncReason(12, "e"), undefined);
  room.join(member("p"), 12);
  room.noticeHead("e", 12); // The next head check.
  await eventually("the room stands where the client does", () => room.head === 12);
  await settle();
  assertEquals([received, reads, errors], [[], [10], []]);
  room.close();
});

Deno.test("what others write before the subscription of a room stands is read as soon as it does", async () => {
  const bus = memoryBus();
  const standing: (() => void)[] = [];
  const late = {
    ...bus,
    counters: bus.counters,
    subscribe(topic: string, onText: (text: string) => void, options?: SubscribeOptions) {
      let unsubscribe = () => {};
      standing.push(() => unsubscribe = bus.subscribe(topic, onText, options));
      return () => unsubscribe();
    },
  };
  const store = memoryStore();
  await using one = serveChat({ bus, store, headCheckMs: 60_000 });
  await using two = serveChat({ bus: late, store, headCheckMs: 60_000 });
  await using ann = await one.connect(1, "room=r");
  await using bob = await two.connect(2, "room=r");
  ann.sendJson({ type: "chat", body: "unheard" });
  await ann.nextOfType("ack");
  await settle();
  assertEquals(bodies(waiting(bob)), []);
  for (const stand of standing) stand();
  await eventually("it is read", () => bodies(waiting(bob)).includes("unheard"));
});

Deno.test("a client that is handed over to an isolate whose hints were lost hears nothing twice", async () => {
  const bus = memoryBus();
  const deaf = { ...bus, counters: bus.counters, subscribe: () => () => {} };
  const { store, nextChecks } = storeWithChecks();
  await using one = serveChat({ bus, store });
  await using two = serveChat({ bus: deaf, store, lingerMs: 20_000 });
  const early = await two.connect(2, "room=r"); // Opens the room on isolate two, where it stays open.
  await early.close();
  await using ann = await one.connect(1, "room=r");
  for (const body of ["a", "b", "c"]) {
    ann.sendJson({ type: "chat", body });
    await ann.nextOfType("new_message");
  }
  const { head, epoch } = (await store.heads(["r"], [])).heads.get("r")!;
  await using next = await two.connect(1, `room=r&since=${head}&epoch=${epoch}`);
  assertEquals([next.first.resumed, next.first.seq], [true, head]);
  await nextChecks(4);
  await settle();
  assertEquals(waiting(next).filter(({ type }) => type !== "presence"), []);
});

Deno.test("a client that resumes over 1.6 MB of messages is not dropped as a slow reader", async () => {
  await using chat = serveChat();
  await chat.store.createRoom("public", "r", "r", [userId(1)]);
  for (let i = 0; i < 100; i++) {
    const body = `${i} `.padEnd(16_000, "x");
    await chat.store.post([{ kind: "message", actor: { id: userId(1) }, room: "r", body }]);
  }
  await using ann = await chat.connect(1, "room=r&since=0");
  for (let i = 0; i < 100; i++) {
    const { message } = await ann.nextOfType("new_message") as unknown as Heard;
    assert(message!.body.startsWith(`${i} `), message!.body.slice(0, 10));
  }
});

Deno.test("a beat reminds of who came where all that was told of him is lost", async () => {
  const bus = memoryBus();
  let reminders = 0;
  const lossy = {
    ...bus,
    counters: bus.counters,
    publish: (topic: string, text: string) => {
      const isTelling = text.includes('"kind":"presence"');
      if (isTelling && !text.includes('"users"')) reminders++;
      if (!isTelling) bus.publish(topic, text);
    },
  };
  const peers = (isolateId: string) => new Peers({ isolateId, broadcast: bus, beatMs: 50 });
  await using one = serveChat({ bus: lossy, peers: peers("one") });
  await using two = serveChat({ bus: lossy, store: one.store, peers: peers("two") });
  await using _ann = await one.connect(1, "room=r");
  await using bob = await two.connect(2, "room=r");
  await eventually("they see each other", () => waiting(bob).length > 0);
  await using _eve = await one.connect(3, "room=r");
  await eventually("bob sees eve", () => waiting(bob).some(({ joined }) => joined?.[0]?.user_id === userId(3)));
  assertEquals(reminders, 0, "none of them is a text of its own");
});

Deno.test("a room that changed more than once a millisecond, and was closed, is heard of again as it opens", async () => {
  const bus = memoryBus();
  const store = memoryStore();
  const errors: unknown[] = [];
  const isolate = (isolateId: string) => {
    const processes = new Processes({ isolateId });
    const peers = new Peers({ isolateId, broadcast: bus });
    const rooms = new Rooms({
      store,
      bus,
      processes,
      peers,
      lingerMs: 200,
      leaveGraceMs: 0,
      onError: (error) => errors.push(error),
    });
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
  assertEquals(errors, []);
});

Deno.test("presence shows no ghost of an isolate that died while nobody was here", async () => {
  const bus = memoryBus();
  let alive = true;
  const mortal = {
    ...bus,
    counters: bus.counters,
    publish: (topic: string, text: string) => {
      if (alive) bus.publish(topic, text);
    },
    subscribe: (topic: string, onText: (text: string) => void, options?: SubscribeOptions) =>
      bus.subscribe(topic, (text) => alive && onText(text), options),
  };
  const peers = (isolateId: string, broadcast: typeof bus) => new Peers({ isolateId, broadcast, beatMs: 50 });
  await using one = serveChat({ bus, lingerMs: 20_000, peers: peers("one", bus) });
  await using two = serveChat({ bus: mortal, store: one.store, peers: peers("two", mortal) });
  const ann = await one.connect(1, "room=r");
  await using _bob = await two.connect(2, "room=r");
  await eventually("ann sees bob", () => waiting(ann).some(({ joined }) => joined?.[0]?.user_id === userId(2)));
  await ann.close();
  await eventually("nobody is here", () => one.processes.count === 0);
  alive = false;
  await using again = await one.connect(1, "room=r");
  await eventually("the list is of those who are here", async () => {
    again.sendJson({ type: "join", room: "r" });
    const { members } = await again.nextOfType("joined") as unknown as Heard;
    return members!.every(({ user_id }) => user_id === userId(1));
  });
});

Deno.test("a session that ends otherwise than by ws.leave leaves no member behind", async () => {
  await using chat = serveChat();
  await using bob = await chat.connect(2, "room=r");
  const before = new Set(pidsOf(chat));
  await using ann = await chat.connect(1, "room=r");
  // A connection spawns its session first.
  chat.processes.exit(pidsOf(chat).find((pid) => !before.has(pid))!, "crashed: Error");
  assertEquals((await ann.closed).code, 1011);
  await eventually("ann is no longer in the list", async () => {
    bob.sendJson({ type: "join", room: "r" });
    const { members } = await bob.nextOfType("joined") as unknown as Heard;
    return members!.length === 1 && members![0]!.user_id === userId(2);
  });
});

function pidsOf({ processes }: ServedChat): string[] {
  return Array.from({ length: 20 }, (_, i) => `${processes.isolateId}.${i}`).filter((pid) => processes.isAlive(pid));
}

Deno.test("what was deleted does not come out of the ring for one who comes back from before it", async () => {
  await using chat = serveChat();
  await using ann = await chat.connect(1, "room=r");
  ann.sendJson({ type: "chat", body: "my password" });
  const { id } = await ann.nextOfType("ack");
  ann.sendJson({ type: "delete", message_id: id });
  const { seq } = await ann.nextOfType("message_deleted");
  await using bob = await chat.connect(2, `room=r&since=1`);
  const replayed = await takeUntil(bob, "message_deleted");
  assertEquals(replayed.at(-1)!.seq, seq);
  assertEquals(bodies(replayed).includes("my password"), false);
});

Deno.test("a client has only so many reads under way; what comes beside them is refused as overloaded", async () => {
  const store = memoryStore();
  const stuck = Promise.withResolvers<void>();
  let underWay = 0;
  const history: MemoryStore["history"] = async (...asked) => {
    underWay++;
    await stuck.promise;
    return await store.history(...asked);
  };
  await using chat = serveChat({ store: { ...store, history }, sockets: { messagesPerSecond: 1e6 } });
  await using ann = await chat.connect(1, "room=r");
  for (let i = 0; i < 600; i++) ann.sendJson({ type: "history", limit: 200 });
  ann.sendJson({ type: "ping" });
  const refused = (await takeUntil(ann, "pong")).filter(({ code }) => code === "overloaded");
  assert(underWay >= 1 && underWay <= 64, `${underWay} at once`);
  assertEquals(refused.length, 600 - underWay);
  const answered = underWay;
  stuck.resolve();
  for (let i = 0; i < answered; i++) await ann.nextOfType("history");
});

Deno.test("the sender's own other connections hear of a first direct message at once, and once", async () => {
  await using chat = serveChat({ headCheckMs: 60_000 });
  await chat.store.createRoom("public", "x", "x", [userId(1), userId(2)]);
  await using tab = await chat.connect(1);
  await using ann = await chat.connect(1);
  await using bob = await chat.connect(2);
  for (const socket of [tab, ann, bob]) await pong(socket);
  ann.sendJson({ type: "dm", to: userId(2), body: "hi" });
  for (const socket of [tab, ann, bob]) assertEquals(bodies(await takeUntil(socket, "new_message")), ["hi"]);
  await settle();
  assertEquals(bodies([tab, ann, bob].flatMap(waiting)), []);
});

Deno.test("150 who join a room learn of each other in fewer than 3,000 frames", async () => {
  await using chat = serveChat({ sockets: { maxConnections: 2_000 } });
  const users = Array.from({ length: 150 }, (_, i) => i + 1);
  const sockets = await Promise.all(users.map((user) => chat.connect(user, "room=r&batch=1")));
  const knows = (socket: TestSocket) =>
    new Set(waiting(socket).flatMap(({ state = [], joined = [] }) => [...state, ...joined].map((m) => m.user_id)));
  await eventually("everyone knows everyone", () => sockets.every((socket) => knows(socket).size === 150));
  await settle();
  const { counters } = await (await fetch(`${chat.url}/chat/health`)).json();
  assert(counters.messages_out < 3_000, `${counters.messages_out} frames`);
  await Promise.all(sockets.map((socket) => socket.close()));
});

Deno.test("200 clients who come to a fresh isolate from the same position cost a handful of reads", async () => {
  const store = memoryStore();
  const reads: number[] = [];
  const allHere = Promise.withResolvers<void>();
  const eventsSince: MemoryStore["eventsSince"] = async (room, since, limit) => {
    reads.push(since);
    await allHere.promise;
    return store.eventsSince(room, since, limit);
  };
  await store.createRoom("public", "r", "r", [userId(999)]);
  const write = { kind: "message", actor: { id: userId(999) }, room: "r", body: "x" } as const;
  await store.post(Array.from({ length: 50 }, () => write));
  await using chat = serveChat({ store: { ...store, eventsSince } });
  const users = Array.from({ length: 200 }, (_, i) => i + 1);
  const sockets = await Promise.all(users.map((user) => chat.connect(user, "room=r&since=20&batch=1")));
  allHere.resolve();
  // Event 1 made the room's owner a member: the messages are 2 to 51.
  const has51 = (socket: TestSocket) => socket.waiting.some((frame) => (frame as string).includes('"seq":51,'));
  await eventually("everyone has what was missed", () => sockets.every(has51));
  assert(reads.length <= 10, `reads from ${reads}`);
  await Promise.all(sockets.map((socket) => socket.close()));
});

for (
  const [name, hint] of [
    ["garbage", "{}"],
    ["a late hint of an epoch that is over", '{"room":"r","seq":3,"epoch":"over"}'],
  ] as const
) {
  Deno.test(`${name} on the bus never costs correctness: no event is lost or doubled, and nobody is told to resync`, async () => {
    const bus = memoryBus();
    await using chat = serveChat({ bus, headCheckMs: 60_000 });
    await using ann = await chat.connect(1, "room=r");
    await ann.nextOfType("presence");
    bus.publish("room:r", hint);
    for (const body of ["a", "b", "c"]) ann.sendJson({ type: "chat", body });
    const heard: Heard[] = [];
    while (bodies(heard).length < 3) heard.push(await ann.nextJson() as unknown as Heard);
    await settle();
    heard.push(...waiting(ann));
    const told = heard.filter(({ type }) => type === "new_message" || type === "resync");
    assertEquals(told.map(({ message, reason }) => message?.seq ?? reason), [2, 3, 4]);
  });
}

Deno.test("a check that finds nothing new is answered with nothing, and what is new is told of once", async () => {
  const store = memoryStore();
  const answers: { heads: string[]; users: string[] }[] = [];
  const changes: MemoryStore["changes"] = async (known) => {
    const changed = await store.changes(known);
    answers.push({ heads: [...changed.heads.keys()], users: [...changed.roomsOfUsers.keys()] });
    return changed;
  };
  await using chat = serveChat({ store: { ...store, changes } });
  for (const room of ["a", "b", "c"]) await store.createRoom("public", room, room, [userId(1)]);
  await using ann = await chat.connect(1);
  const isQuiet = () => answers.slice(-3).every(({ heads, users }) => heads.length + users.length === 0);
  const settled = () => eventually("the checks find nothing", () => answers.length >= 3 && isQuiet());
  await settled();
  answers.length = 0;
  await store.post([{ kind: "message", actor: { id: userId(1) }, room: "b", body: "beside the chat" }]);
  await ann.nextOfType("new_message");
  await settled();
  await store.createRoom("private", "d", "d", [userId(2), userId(1)]);
  assertEquals((await ann.nextOfType("joined")).room, "d");
  await settled();
  const told = answers.filter(({ heads, users }) => heads.length + users.length > 0);
  assertEquals(told[0], { heads: ["b"], users: [] });
  assert(told.length <= 5, JSON.stringify(told));
});

Deno.test("a room that a user was added to, and that could not be read then, is told of by a later check", async () => {
  const store = memoryStore();
  let failing = false;
  let failed = 0;
  const eventsSince: MemoryStore["eventsSince"] = (...asked) => {
    if (!failing) return store.eventsSince(...asked);
    failed++;
    return Promise.reject(new Error("not now"));
  };
  await using chat = serveChat({ store: { ...store, eventsSince } });
  await using ann = await chat.connect(1);
  ann.sendJson({ type: "resume", rooms: {} });
  await pong(ann);
  failing = true;
  await store.createRoom("private", "secret", "s", [userId(2), userId(1)]);
  await eventually("the room cannot be read", () => failed > 1);
  failing = false;
  assertEquals((await ann.nextOfType("joined")).room, "secret");
});
