import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import type { SendMessage } from "../../shared/connection/mod.ts";
import { RingBudget } from "../../shared/room/ring_budget.ts";
import { RoomCounters } from "../../shared/room/room_counters.ts";
import { type Member, Room, ROOM_LIMITS, type RoomLimits } from "../../shared/room/room.ts";
import type { EventPage, LogEvent } from "../../shared/store/store.ts";
import { eventually } from "../support/eventually.ts";

/** A log in the place of the store, which may answer late. */
function log(length: number) {
  const at = {
    epoch: "e1",
    head: length,
    floor: 0,
    reads: 0,
    failing: false,
    held: undefined as Promise<void> | undefined,
    emoji: "👍",
  };
  const event = (seq: number): LogEvent => ({
    room: "r",
    seq,
    frame: { type: "reaction", room: "r", seq, message_id: "m", user_id: "u", emoji: at.emoji, removed: false },
  });
  return {
    at,
    event,
    eventsSince: async (_room: string, since: number, limit: number): Promise<EventPage> => {
      at.reads++;
      const { epoch, head, floor } = at;
      await (at.held ?? new Promise((resolve) => setTimeout(resolve, 0)));
      if (at.failing) throw new Error("the database is gone");
      const from = Math.max(since, floor);
      const events = Array.from({ length: Math.min(limit, head - from) }, (_, i) => event(from + i + 1));
      return { epoch, head, floor, events };
    },
  };
}

function room(
  store: ReturnType<typeof log>,
  limits: Partial<RoomLimits> = {},
  head = store.at.head,
  drained: () => Promise<void> = () => Promise.resolve(),
) {
  const received = new Map<string, unknown[]>();
  /** The characters of the longest frame that each was sent. */
  const longest = new Map<string, number>();
  const dropped: string[] = [];
  const errors: unknown[] = [];
  const rings = new RingBudget(ROOM_LIMITS.ringCharsTotal);
  const instance = new Room("r", { epoch: "e1", head }, {
    store,
    recipient: (pid: string) => ({
      pid,
      send: (_topic, payload) => {
        const data = (payload as SendMessage).data as string;
        longest.set(pid, Math.max(data.length, longest.get(pid) ?? 0));
        const frame = JSON.parse(data);
        const frames = frame.type === "batch" ? frame.events : [frame];
        received.set(pid, [
          ...received.get(pid) ?? [],
          ...frames.map((f: { seq?: number; reason?: string }) => f.seq ?? f.reason),
        ]);
        return "ok";
      },
    }),
    drained,
    drop: (pid: string) => dropped.push(pid),
    removed() {},
    counters: new RoomCounters(),
    onError: (error: unknown) => errors.push(error),
    rings,
    limits: { ...ROOM_LIMITS, gapWaitMs: 1, batchWindowMs: 1, ...limits },
  });
  return { room: instance, received, longest, dropped, errors, rings };
}

function member(pid: string, options: Partial<Member> = {}): Member {
  return { pid, userId: "u", batch: false, present: false, removed() {}, ...options };
}

const upTo = (head: number, from = 1) => Array.from({ length: head - from + 1 }, (_, i) => from + i);

Deno.test("receive() hands each event on once and in order, however the bus doubles, drops and reorders", async () => {
  const hints = fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 120 });
  await fc.assert(
    fc.asyncProperty(hints, fc.boolean(), async (seqs, batch) => {
      const store = log(40);
      const { room: r, received } = room(store, {}, 0);
      r.join(member("a", { batch }), 0);
      for (const seq of seqs) {
        r.receive(store.event(seq));
        if (seq % 7 === 0) await new Promise((resolve) => setTimeout(resolve, 0));
      }
      r.noticeHead("e1", 40);
      await eventually("all events came", () => received.get("a")?.length === 40, { everyMs: 1 });
      assertEquals(received.get("a"), upTo(40));
      r.close();
    }),
    { numRuns: 60 },
  );
});

Deno.test("join() replays to who takes batches in frames of 16 KiB, as a socket keeps room for its longest", async () => {
  const store = log(400);
  store.at.emoji = "x".repeat(400);
  const { room: r, received, longest } = room(store);
  r.join(member("a", { batch: true }), 0);
  await eventually("all events came", () => received.get("a")?.length === 400, { everyMs: 1 });
  assertEquals(received.get("a"), upTo(400));
  assert(longest.get("a")! > 8 * 1024 && longest.get("a")! < 17 * 1024, `${longest.get("a")} characters`);
  r.close();
});

Deno.test("join() replays what a member misses and goes live without a gap, while events go on coming", async () => {
  const store = log(1_000);
  const { room: r, received } = room(store, { ringEvents: 10 });
  const seats = [["old", 3, false], ["batch", 500, true], ["near", 998, false], ["live", 1_000, true]] as const;
  for (const [pid, since, batch] of seats) r.join(member(pid, { batch }), since);
  for (let seq = 1_001; seq <= 1_300; seq++) {
    store.at.head = seq;
    r.receive(store.event(seq));
    if (seq % 50 === 0) await new Promise((resolve) => setTimeout(resolve, 0));
  }
  for (const [pid, since] of seats) {
    await eventually(`${pid} has all`, () => received.get(pid)?.length === 1_300 - since);
    assertEquals(received.get(pid), upTo(1_300, since + 1), pid);
  }
  r.close();
});

Deno.test("a member within the ring is served without a call to the store", async () => {
  const store = log(0);
  const { room: r, received } = room(store);
  for (let seq = 1; seq <= 100; seq++) r.receive(store.event(seq));
  r.join(member("a"), 40);
  await eventually("it has all", () => received.get("a")?.length === 60);
  assertEquals(store.at.reads, 0);
  r.close();
});

Deno.test("events that come too early wait, and those that never come are read", async () => {
  const store = log(5);
  const { room: r, received } = room(store, { gapWaitMs: 5 }, 0);
  r.join(member("a"), 0);
  r.receive(store.event(2));
  r.receive(store.event(1));
  assertEquals(received.get("a"), [1, 2]);
  await new Promise((resolve) => setTimeout(resolve, 20));
  assertEquals(store.at.reads, 0, "a swap costs no call");
  r.receive(store.event(5));
  await eventually("the gap is filled", () => received.get("a")?.length === 5);
  assertEquals(received.get("a"), [1, 2, 3, 4, 5]);
  r.close();
});

Deno.test("a log that begins anew, or no longer reaches back, is told as resync", async () => {
  const store = log(10);
  const { room: r, received } = room(store);
  r.join(member("a"), 10);
  r.noticeHead("e2", 3);
  assertEquals([r.epoch, r.head, received.get("a")], ["e2", 3, ["epoch_changed"]]);
  r.receive(store.event(4));
  assertEquals(received.get("a"), ["epoch_changed", 4]);
  Object.assign(store.at, { epoch: "e2", head: 10, floor: 8 });
  r.noticeHead("e2", 10);
  await eventually("told", () => received.get("a")?.length === 3);
  assertEquals([r.head, received.get("a")], [10, ["epoch_changed", 4, "too_old"]]);
  r.close();
});

Deno.test("a replay ends where another log begins: nothing of the old one comes after its resync, and there is one", async () => {
  // While a page is read, and while the member takes what it was sent of one.
  for (const wait of ["read", "drain"]) {
    const store = log(1_000);
    store.at.emoji = "x".repeat(10_000);
    const { promise: held, resolve: release } = Promise.withResolvers<void>();
    let isWaiting = false;
    const drained = () => {
      isWaiting = true;
      return held;
    };
    const { room: r, received } = room(store, {}, undefined, drained);
    if (wait === "read") store.at.held = held;
    r.join(member("a"), 0);
    await eventually("it waits", () => wait === "drain" ? isWaiting : store.at.reads > 0, { everyMs: 1 });
    const before = received.get("a")?.length ?? 0;
    Object.assign(store.at, { epoch: "e2", head: 7, held: undefined });
    r.noticeHead("e2", 7);
    release();
    for (let seq = 8; seq <= 10; seq++) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      store.at.head = seq;
      r.receive(store.event(seq));
    }
    await eventually("it is live", () => received.get("a")?.includes(10) === true);
    assertEquals(received.get("a")!.slice(before), ["epoch_changed", 8, 9, 10], wait);
    r.close();
  }
});

Deno.test("resyncReason() says where a client cannot go on", () => {
  const { room: r } = room(log(10_000), { maxReplayEvents: 100 });
  assertEquals(r.resyncReason(9_900, "e1"), undefined);
  assertEquals(r.resyncReason(10_000, undefined), undefined);
  assertEquals(r.resyncReason(9_899, "e1"), "too_far_behind");
  assertEquals(r.resyncReason(10_001, "e1"), "ahead_of_log");
  assertEquals(r.resyncReason(10_000, "e0"), "epoch_changed");
  r.close();
});

Deno.test("a member whose replay fails is dropped, to come back and resume; the others are served", async () => {
  const store = log(10);
  const { room: r, received, dropped, errors } = room(store);
  r.join(member("live"), 10);
  store.at.failing = true;
  r.join(member("behind"), 2);
  await eventually("dropped", () => dropped.length === 1);
  assertEquals([dropped, errors.length], [["behind"], 1]);
  r.receive(store.event(11));
  assertEquals(received.get("live"), [11]);
  r.close();
});

Deno.test("a user who is removed hears of it as the last event, on each of his connections", () => {
  const store = log(1);
  const { room: r, received } = room(store);
  const removed: string[] = [];
  const leaves = (pid: string) => ({
    removed() {
      removed.push(pid);
      r.leave(pid);
    },
  });
  for (const [pid, userId, batch] of [["a", "ann", false], ["b", "ann", true], ["c", "bob", false]] as const) {
    r.join(member(pid, { userId, batch, ...leaves(pid) }), 1);
  }
  const frame = { type: "member", room: "r", seq: 2, user_id: "ann", role: "member", change: "removed" } as const;
  r.receive({ room: "r", seq: 2, frame });
  r.receive(store.event(3));
  assertEquals(removed, ["a", "b"]);
  assertEquals([received.get("a"), received.get("b"), received.get("c")], [[2], [2], [2, 3]]);
  r.close();
});

Deno.test("the ring and the early events are bounded", () => {
  const store = log(0);
  const { room: r } = room(store, { ringEvents: 10, gapWaitMs: 60_000 }, 0);
  for (let seq = 2; seq < 50_000; seq++) r.receive(store.event(seq));
  assert(r.head === 0);
  r.close();
});

Deno.test("what a room keeps is given back when it closes, also where a page of its log comes after that", async () => {
  const store = log(5);
  const { room: r, rings } = room(store, {}, 2);
  r.join(member("a"), 2);
  r.receive(store.event(3));
  assert(rings.chars > 0);
  const answer = Promise.withResolvers<void>();
  store.at.held = answer.promise;
  r.noticeHead("e1", 5);
  r.leave("a");
  r.close();
  assertEquals(rings.chars, 0);
  answer.resolve();
  await new Promise((resolve) => setTimeout(resolve, 0));
  assertEquals([store.at.reads, rings.chars], [1, 0]);
});

Deno.test("one who joins a room that is behind the store gets what is missing at once, not with the next check", async () => {
  const store = log(5);
  const { room: r, received } = room(store, {}, 2);
  r.noticeHead("e1", 5);
  r.join(member("a"), 2);
  await eventually("all has come", () => received.get("a")?.length === 3, { deadlineMs: 1_000 });
  assertEquals(received.get("a"), [3, 4, 5]);
  r.close();
});

Deno.test("what comes early where nobody is, as in a room of raw connections, is not kept: who comes has it read", async () => {
  const store = log(300);
  const reads: number[] = [];
  const counting = {
    ...store,
    eventsSince: (room: string, since: number, limit: number) => {
      reads.push(since);
      return store.eventsSince(room, since, limit);
    },
  };
  const { room: r, received } = room(counting, {}, 0);
  for (const seq of upTo(300, 2)) r.receive(store.event(seq));
  r.join(member("a"), 0);
  await eventually("all events came", () => received.get("a")?.length === 300, { everyMs: 1 });
  assertEquals(received.get("a"), upTo(300));
  assertEquals(reads, [0, 200], "none of them was kept");
  r.close();
});
