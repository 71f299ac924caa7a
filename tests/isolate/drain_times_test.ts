import { assert, assertEquals } from "@std/assert";
import { drainTimes } from "../../shared/isolate/drain_times.ts";

const TIMES: [number, number, number][] = [
  [80_000, 15_000, 10_000],
  [30_000, 15_000, 10_000],
  [15_000, 7_500, 5_000],
  [4_500, 2_250, 1_500],
  [4_000, 2_000, 1_500],
  [2_500, 750, 1_500],
  [2_000, 600, 1_200],
  [1_000, 300, 600],
  [0, 0, 0],
  [-5_000, 0, 0],
];

for (const [leftMs, windowMs, graceMs] of TIMES) {
  Deno.test(`drainTimes() with ${leftMs} ms left are ${windowMs} and ${graceMs} ms`, () => {
    assertEquals(drainTimes(leftMs), { windowMs, graceMs });
  });
}

Deno.test("drainTimes() fit in, and more time never means less grace or a shorter window", () => {
  let before = drainTimes(0);
  for (let leftMs = 0; leftMs <= 40_000; leftMs += 10) {
    const times = drainTimes(leftMs);
    assert(times.windowMs + times.graceMs <= leftMs, `${leftMs} ms do not hold them`);
    assert(times.graceMs >= before.graceMs && times.windowMs >= before.windowMs, `at ${leftMs} ms`);
    before = times;
  }
});
