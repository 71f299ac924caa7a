import { assert, assertEquals } from "@std/assert";
import { drainTimes } from "../../shared/isolate/drain_times.ts";

const TIMES: [string, number, number, number][] = [
  ["wall_clock", 30_000, 15_000, 10_000],
  ["wall_clock", 80_000, 15_000, 10_000],
  ["wall_clock", 15_000, 7_500, 5_000],
  ["wall_clock", 1_000, 500, 333],
  ["wall_clock", 0, 0, 0],
  ["wall_clock", -5_000, 0, 0],
  ["cpu", 75_000, 1_000, 667],
  ["memory", 75_000, 1_000, 667],
  ["memory", 600, 300, 200],
  ["early_drop", 15_000, 7_500, 5_000],
];

for (const [reason, leftMs, windowMs, graceMs] of TIMES) {
  Deno.test(`drainTimes() for ${reason} with ${leftMs} ms left are ${windowMs} and ${graceMs} ms`, () => {
    assertEquals(drainTimes(reason, leftMs), { windowMs, graceMs });
    assert(windowMs + graceMs <= Math.max(0, leftMs), "both fit in");
  });
}
