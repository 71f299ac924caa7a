import { assert, assertEquals } from "@std/assert";
import FakeTimers from "@sinonjs/fake-timers";
import fc from "fast-check";
import type { LogFrame, Message } from "../../shared/protocol/chat_server_frames.ts";
import { UnreadCount } from "../../shared/react/unread_count.ts";

const SEED = 2026;
const AT = "2026-01-01T00:00:00.000Z";
const room = "lobby";

const said = (seq: number, from = "bob", more: Partial<Message> = {}): LogFrame => ({
  type: "new_message",
  message: {
    ...{ id: `m${seq}`, room, seq, sender: { id: from }, body: "hi", is_read: false, read_at: null },
    ...{ created_at: AT, updated_at: AT, ...more },
  },
});
const deleted = (seq: number, of: number): LogFrame => {
  return { type: "message_deleted", room, seq, message_id: `m${of}`, user_id: "bob", deleted_at: AT };
};
const read = (seq: number, upTo: number, by = "ann"): LogFrame => {
  return { type: "message_read", room, seq, message_id: `m${upTo}`, user_id: by, read_at: AT };
};

/** Counts for Ann; `recounts` is how often the server was asked. */
function withCount(run: (count: UnreadCount, at: { clock: FakeTimers.Clock; recounts: () => number }) => void): void {
  const clock = FakeTimers.install({ toFake: ["setTimeout", "clearTimeout"] });
  let recounts = 0;
  const count = new UnreadCount(() => recounts++);
  try {
    run(count, { clock, recounts: () => recounts });
  } finally {
    count.close();
    clock.uninstall();
  }
}

const apply = (count: UnreadCount, ...events: LogFrame[]) => events.forEach((event) => count.apply(event, "ann"));

Deno.test("UnreadCount knows nothing before the server has counted, and then what came after as well", () =>
  withCount((count) => {
    apply(count, said(11), said(12), said(13, "ann"));
    assertEquals(count.value, undefined);
    count.counted(3, 11);
    assertEquals(count.value, 4, "11 is in it, 12 is not, 13 is one's own");
    apply(count, said(12));
    apply(count, said(14));
    assertEquals(count.value, 6);
  }));

Deno.test("UnreadCount adds a message once that a count has already, though it comes later", () =>
  withCount((count) => {
    count.counted(1, 20);
    apply(count, said(19), said(20));
    assertEquals(count.value, 1);
    apply(count, said(21));
    assertEquals(count.value, 2);
    count.counted(2, 21);
    assertEquals(count.value, 2);
  }));

Deno.test("UnreadCount lets no older count undo a newer one", () =>
  withCount((count) => {
    apply(count, said(5));
    count.counted(0, 6);
    count.counted(1, 5);
    assertEquals(count.value, 0, "the receipt, which is 6, was overtaken");
    apply(count, said(7));
    count.counted(0, 6);
    assertEquals(count.value, 1, "of the same moment again");
  }));

Deno.test("UnreadCount asks once, a second later, where no count comes after what only the server can count", () =>
  withCount((count, { clock, recounts }) => {
    count.counted(3, 10);
    apply(count, deleted(11, 9), deleted(12, 8), read(13, 9));
    clock.tick(999);
    assertEquals(recounts(), 0);
    clock.tick(1);
    assertEquals(recounts(), 1);
    count.counted(2, 11);
    clock.tick(1_000);
    assertEquals(recounts(), 2, "that was counted too early");
    count.counted(0, 13);
    clock.tick(10_000);
    assertEquals([count.value, recounts()], [0, 2]);
    apply(count, deleted(14, 7), read(15, 9));
    clock.tick(10_000);
    assertEquals(recounts(), 2, "nothing was unread");
    apply(count, said(16), read(17, 16));
    count.counted(0, 17);
    clock.tick(10_000);
    assertEquals(recounts(), 2, "the server counted by itself");
  }));

Deno.test("UnreadCount counts no receipts of others, and nothing that was deleted before it came", () =>
  withCount((count, { clock, recounts }) => {
    count.counted(1, 10);
    apply(count, said(11, "bob", { body: "", deleted_at: AT }), read(12, 10, "bob"));
    clock.tick(10_000);
    assertEquals([count.value, recounts()], [1, 0]);
  }));

Deno.test("UnreadCount keeps the places of a thousand messages, and then has them counted", () =>
  withCount((count, { clock, recounts }) => {
    count.counted(0, 0);
    for (let seq = 1; seq <= 1_001; seq++) apply(count, said(seq));
    clock.tick(1_000);
    assertEquals([count.value, recounts()], [1_001, 1]);
  }));

Deno.test("UnreadCount takes the last total that came, and adds to it", () =>
  withCount((count) => {
    count.counted(5);
    apply(count, said(100), said(3));
    assertEquals(count.value, 7);
    count.counted(6);
    assertEquals(count.value, 6);
  }));

Deno.test("UnreadCount keeps its count where the log is another one, and believes the next", () =>
  withCount((count) => {
    count.counted(5, 100);
    apply(count, said(101));
    count.restart();
    assertEquals(count.value, 6);
    apply(count, said(3));
    assertEquals(count.value, 7);
    count.counted(1, 3);
    assertEquals(count.value, 1);
  }));

/** What is in a log, one step after the other. */
type Step = "bob says" | "ann says" | "the newest is deleted" | "ann reads all" | "ann reads half";
const STEPS: readonly Step[] = [
  "bob says",
  "bob says",
  "ann says",
  "the newest is deleted",
  "ann reads all",
  "ann reads half",
];

/** The events of a log, and what is unread for Ann after each of them. */
function logOf(steps: readonly Step[]): { events: LogFrame[]; unreadAt: number[] } {
  const messages: { seq: number; from: string; isDeleted: boolean }[] = [];
  const unreadAt = [0];
  let readUpTo = 0;
  const events = steps.map((step, index): LogFrame => {
    const seq = index + 1;
    const event = happen(seq, step);
    unreadAt.push(
      messages.filter(({ seq, from, isDeleted }) => seq > readUpTo && from !== "ann" && !isDeleted).length,
    );
    return event;
  });
  return { events, unreadAt };

  function happen(seq: number, step: Step): LogFrame {
    if (step === "bob says" || step === "ann says") {
      const from = step.split(" ")[0]!;
      messages.push({ seq, from, isDeleted: false });
      return said(seq, from);
    }
    if (step === "the newest is deleted") {
      const newest = messages.findLast(({ isDeleted }) => !isDeleted);
      if (newest !== undefined) newest.isDeleted = true;
      return deleted(seq, newest?.seq ?? 0);
    }
    const upTo = step === "ann reads all" ? seq : Math.floor(seq / 2);
    readUpTo = Math.max(readUpTo, upTo);
    return read(seq, upTo);
  }
}

Deno.test("UnreadCount is exact in the end, whichever counts come when, and in which order", () => {
  const scenario = fc.record({
    steps: fc.array(fc.constantFrom(...STEPS), { maxLength: 12 }),
    /** Each count: the place that it counts up to, and after how many events it comes. */
    counts: fc.array(fc.record({ asOf: fc.nat(12), after: fc.nat(12) }), { minLength: 1, maxLength: 6 }),
  });
  fc.assert(
    fc.property(scenario, ({ steps, counts }) =>
      withCount((count, { clock, recounts }) => {
        const { events, unreadAt } = logOf(steps);
        for (let heard = 0; heard <= events.length; heard++) {
          if (heard > 0) apply(count, events[heard - 1]!);
          for (const { asOf, after } of counts) {
            const at = Math.min(asOf, events.length);
            if (Math.min(after, events.length) === heard) count.counted(unreadAt[at]!, at);
          }
          const isUpperBound = count.value === undefined || count.value >= Math.min(...unreadAt.slice(heard));
          assert(isUpperBound, "nothing unread was lost on the way");
        }
        clock.tick(1_000);
        if (recounts() > 0) count.counted(unreadAt.at(-1)!, events.length);
        assertEquals(count.value, unreadAt.at(-1));
      })),
    { seed: SEED, numRuns: 2_000 },
  );
});
