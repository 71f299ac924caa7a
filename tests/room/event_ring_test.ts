import { assert, assertEquals } from "@std/assert";
import { EventRing } from "../../shared/room/event_ring.ts";

Deno.test("since() gives what follows, or says that the ring does not reach back", () => {
  const ring = new EventRing(0, 100, 10_000);
  for (let seq = 5; seq <= 9; seq++) ring.push(seq, `f${seq}`);
  assertEquals(ring.since(3, 10), undefined);
  assertEquals(ring.since(4, 10), ["f5", "f6", "f7", "f8", "f9"]);
  assertEquals(ring.since(6, 2), ["f7", "f8"]);
  assertEquals(ring.since(9, 10), []);
});

Deno.test("since() of an empty ring reaches back to the head it was made or reset at, and no further", () => {
  const ring = new EventRing(7, 100, 10_000);
  assertEquals([ring.since(6, 10), ring.since(7, 10)], [undefined, []]);
  ring.push(8, "f8");
  ring.reset(20);
  assertEquals([ring.since(8, 10), ring.since(20, 10)], [undefined, []]);
});

Deno.test("push() of an event that does not follow begins anew, so that no gap is ever served", () => {
  const ring = new EventRing(0, 100, 10_000);
  ring.push(1, "f1");
  ring.push(3, "f3");
  assertEquals(ring.since(1, 10), undefined);
  assertEquals(ring.since(2, 10), ["f3"]);
});

Deno.test("the ring holds at least its bounds of events, and at most twice that, in events and in characters", () => {
  for (const [maxEvents, maxChars, length] of [[50, 1_000_000, 10], [1_000_000, 1_000, 10]] as const) {
    const ring = new EventRing(0, maxEvents, maxChars);
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
