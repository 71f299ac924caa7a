import { assert, assertEquals } from "@std/assert";
import { EventRing } from "../../shared/room/event_ring.ts";
import { RingBudget } from "../../shared/room/ring_budget.ts";

Deno.test("since() gives what follows, or says that the ring does not reach back", () => {
  const ring = new EventRing(0, 100, 10_000, new RingBudget(Infinity));
  for (let seq = 5; seq <= 9; seq++) ring.push(seq, `f${seq}`);
  assertEquals(ring.since(3, 10), undefined);
  assertEquals(ring.since(4, 10), ["f5", "f6", "f7", "f8", "f9"]);
  assertEquals(ring.since(6, 2), ["f7", "f8"]);
  assertEquals(ring.since(9, 10), []);
});

Deno.test("since() of an empty ring reaches back to the head it was made or reset at, and no further", () => {
  const ring = new EventRing(7, 100, 10_000, new RingBudget(Infinity));
  assertEquals([ring.since(6, 10), ring.since(7, 10)], [undefined, []]);
  ring.push(8, "f8");
  ring.reset(20);
  assertEquals([ring.since(8, 10), ring.since(20, 10)], [undefined, []]);
});

Deno.test("push() of an event that does not follow begins anew, so that no gap is ever served", () => {
  const ring = new EventRing(0, 100, 10_000, new RingBudget(Infinity));
  ring.push(1, "f1");
  ring.push(3, "f3");
  assertEquals(ring.since(1, 10), undefined);
  assertEquals(ring.since(2, 10), ["f3"]);
});

Deno.test("the ring holds at least its bounds of events, and at most twice that, in events and in characters", () => {
  for (const [maxEvents, maxChars, length] of [[50, 1_000_000, 10], [1_000_000, 1_000, 10]] as const) {
    const ring = new EventRing(0, maxEvents, maxChars, new RingBudget(Infinity));
    const kept = Math.min(maxEvents, maxChars / length);
    for (let seq = 1; seq <= 5_000; seq++) {
      ring.push(seq, "x".repeat(length));
      const held = ring.since(seq - 1, 1)!.length;
      assertEquals(held, 1);
      if (seq > kept) assert(ring.since(seq - kept, 10_000)?.length === kept, `${seq} keeps ${kept}`);
      assertEquals(ring.since(seq - 2 * kept - 1, 1), undefined);
    }
  }
});

Deno.test("what all rings hold has one bound: over it the largest are emptied, each at its end, and go on from there", () => {
  const budget = new RingBudget(1_000);
  const [small, large, larger] = [10, 20, 30].map((head) => new EventRing(head, 100, 10_000, budget)) as [
    EventRing,
    EventRing,
    EventRing,
  ];
  small.push(11, "x".repeat(100));
  large.push(21, "x".repeat(400));
  larger.push(31, "x".repeat(450));
  assertEquals(budget.chars, 950);
  small.push(12, "x".repeat(100));
  assertEquals(budget.chars, 600);
  assertEquals([small.since(10, 9)?.length, large.since(20, 9)?.length, larger.since(30, 9)], [2, 1, undefined]);
  assertEquals(larger.since(31, 9), []);
  larger.push(32, "next");
  assertEquals([larger.since(31, 9), budget.chars], [["next"], 604]);
  large.push(22, "x".repeat(401));
  assertEquals([large.since(21, 9), large.since(22, 9), budget.chars], [undefined, [], 204]);
});

Deno.test("what a ring drops, forgets or begins anew counts no longer", () => {
  const budget = new RingBudget(1_000_000);
  const ring = new EventRing(0, 10, 10_000, budget);
  for (let seq = 1; seq <= 1_000; seq++) {
    ring.push(seq, "x".repeat(10));
    assertEquals(budget.chars, ring.chars);
    assert(budget.chars <= 200, `${budget.chars}`);
  }
  ring.push(2_000, "y");
  assertEquals(budget.chars, 1);
  ring.clear();
  ring.reset(3_000);
  assertEquals([budget.chars, ring.since(3_000, 1)], [0, []]);
});
