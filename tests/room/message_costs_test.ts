/**
 * What a message costs, counted instead of timed: calls, encodings and looks that must not grow with the members of the
 * room, and that nobody adds without noticing.
 */
import { assert, assertEquals } from "@std/assert";
import FakeTimers from "@sinonjs/fake-timers";
import { memoryBus } from "../../shared/bus/memory_bus.ts";
import { ChatClientFrame } from "../../shared/protocol/chat_client_frames.ts";
import { groupCommit } from "../../shared/store/group_commit.ts";
import { memoryStore } from "../../shared/store/memory_store.ts";
import type { Store } from "../../shared/store/store.ts";
import { countMade } from "../support/count_made.ts";
import { inProcessChat, type StandInSocket } from "../support/in_process_chat.ts";

const MESSAGES = 40;

Deno.test("a message costs one write, one publication and two encodings, however many members it goes to", async () => {
  for (const members of [3, 60]) {
    await using room = await fullRoom(members, "");
    const { "looks at what is buffered": looks = 0, ...costs } = await room.count(async () => {
      for (let n = 0; n < MESSAGES; n++) {
        room.say(n);
        await settle();
      }
    });
    assert(looks <= members, `${looks} looks at what is buffered, of ${members} members: one in 64 KiB each`);
    assertEquals(costs, {
      "calls to the store": MESSAGES,
      "writes in them": MESSAGES,
      "texts on the bus": MESSAGES,
      "frames parsed": MESSAGES,
      "frames checked by schema": 0,
      // The acknowledgement and the event.
      "objects encoded": 2 * MESSAGES,
      "timers": 0,
      "frames sent": MESSAGES * (members + 1),
    }, `${members} members`);
  }
});

Deno.test("a message makes no set, map or buffer and two promises, however many members it goes to", async () => {
  const ofRooms = [];
  for (const members of [3, 60]) {
    await using room = await fullRoom(members, "");
    room.say(0);
    await settle();
    const made = countMade("Set", "Map", "Promise", "Uint8Array");
    try {
      for (let n = 1; n <= MESSAGES; n++) {
        room.say(n);
        await settle();
      }
    } finally {
      made.stop();
    }
    ofRooms.push(made.counts);
  }
  // Both of the group commit: what it gives back, and its wait for what is written in the same turn.
  const expected = { Set: 0, Map: 0, Promise: 2 * MESSAGES, Uint8Array: 0 };
  assertEquals(ofRooms, [expected, expected]);
});

Deno.test("messages that come together go to the store in one call", async () => {
  await using room = await fullRoom(10, "");
  const costs = await room.count(async () => {
    for (let n = 0; n < MESSAGES; n++) room.say(n);
    await settle();
  });
  assertEquals([costs["calls to the store"], costs["writes in them"]], [1, MESSAGES]);
  assertEquals(costs["frames sent"], MESSAGES * 11);
});

Deno.test("with batch=1 what comes together is one frame to each member, joined from what was encoded once", async () => {
  await using room = await fullRoom(10, "&batch=1");
  const costs = await room.count(async () => {
    for (let n = 0; n < MESSAGES; n++) room.say(n);
    await settle();
  });
  assertEquals(costs["objects encoded"], 2 * MESSAGES);
  assertEquals(costs["frames sent"], MESSAGES + 10);
});

Deno.test("all members are sent the one frame that was made for the event", async () => {
  await using room = await fullRoom(30, "");
  const frames = new Map<unknown, number>();
  const stop = room.watchSends((frame) => frames.set(frame, (frames.get(frame) ?? 0) + 1));
  room.say(0);
  await settle();
  stop();
  assertEquals([...frames.values()], [1, 30]);
});

/** How many times each thing was done that costs. */
type Costs = Record<string, number>;

interface FullRoom extends AsyncDisposable {
  /** Has the first member say something. */
  say(n: number): void;
  count(task: () => Promise<void>): Promise<Costs>;
  /** Calls `onFrame` for each frame that goes to a connection; gives the function that ends it. */
  watchSends(onFrame: (frame: unknown) => void): () => void;
}

/** A room that is in memory and whose members have come. Its clock stands still: nothing happens in it by itself. */
async function fullRoom(members: number, query: string): Promise<FullRoom> {
  const costs: Costs = {};
  const add = (name: string, count = 1) => costs[name] = (costs[name] ?? 0) + count;
  const inner = memoryStore();
  const counted: Store = {
    ...inner,
    post(writes) {
      add("calls to the store");
      add("writes in them", writes.length);
      return inner.post(writes);
    },
  };
  const bus = memoryBus();
  const clock = FakeTimers.install({
    toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "Date", "performance"],
  });
  const chat = inProcessChat({ store: groupCommit(counted), bus });
  const sockets: StandInSocket[] = [];
  let onFrame: ((frame: unknown) => void) | undefined;
  const { recipient } = chat.processes;
  chat.processes.recipient = (to) => {
    const found = recipient.call(chat.processes, to);
    const send: typeof found.send = (topic, frame) => {
      onFrame?.(frame);
      return found.send(topic, frame);
    };
    return { pid: found.pid, send };
  };
  for (let n = 1; n <= members; n++) sockets.push(await chat.connect(n, `room=bench${query}`));
  await clock.tickAsync(2_000); // Whoever came is known.

  const total = (of: (socket: StandInSocket) => number) => sockets.reduce((sum, socket) => sum + of(socket), 0);
  return {
    say: (n) => sockets[0]!.receive(`{"type":"chat","client_id":"c-${n}","body":"Message ${n}"}`),
    async count(task) {
      for (const name of Object.keys(costs)) delete costs[name];
      const before = {
        published: bus.counters.published,
        frames: total((s) => s.frames),
        looks: total((s) => s.looks),
      };
      using _counting = countCalls({
        "frames parsed": [JSON, "parse"],
        "frames checked by schema": [ChatClientFrame, "safeParse"],
        "objects encoded": [JSON, "stringify", (value) => typeof value === "object"],
        "timers": [globalThis, "setTimeout"],
      }, add);
      await task();
      add("texts on the bus", bus.counters.published - before.published);
      add("frames sent", total((s) => s.frames) - before.frames);
      add("looks at what is buffered", total((s) => s.looks) - before.looks);
      assert(costs["frames sent"]! > 0, "the messages arrive");
      return { ...costs };
    },
    watchSends(listener) {
      onFrame = listener;
      return () => onFrame = undefined;
    },
    [Symbol.asyncDispose]() {
      chat.close();
      clock.uninstall();
      return Promise.resolve();
    },
  };
}

/** A method, and which of its calls count by their first argument. */
type Counted = readonly [owner: object, method: string, counts?: (argument: unknown) => boolean];

/** Counts the calls of methods until it is disposed of. */
function countCalls(methods: Record<string, Counted>, add: (name: string, count?: number) => void): Disposable {
  const restore: (() => void)[] = [];
  for (const [name, [owner, method, counts = () => true]] of Object.entries(methods)) {
    const target = owner as Record<string, (...args: unknown[]) => unknown>;
    const original = target[method]!;
    add(name, 0);
    target[method] = function (...args) {
      if (counts(args[0])) add(name);
      return original.apply(this, args);
    };
    restore.push(() => target[method] = original);
  }
  return { [Symbol.dispose]: () => restore.forEach((undo) => undo()) };
}

/** Lets everything happen that waits for nothing but its turn; itself without a timer and a promise, as these are counted. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await undefined;
}
