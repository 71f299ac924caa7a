import { assertEquals } from "@std/assert";
import { CheckPace } from "../../shared/room/check_pace.ts";

Deno.test("checks come every interval, less often while nothing is missed, and as at first once something is", () => {
  const pace = new CheckPace(3_000, () => 0.5);
  const delays = (checks: number, isClean = true) =>
    Array.from({ length: checks }, () => {
      pace.checked(isClean);
      return pace.delayMs;
    });
  assertEquals(pace.delayMs, 3_000);
  assertEquals(new Set(delays(9)), new Set([3_000]));
  assertEquals(new Set(delays(10)), new Set([6_000]));
  assertEquals(new Set(delays(100)), new Set([12_000]));
  assertEquals(delays(1, false), [3_000]);
  assertEquals(new Set(delays(9)), new Set([3_000]));
  assertEquals(delays(2, false), [3_000, 3_000]);
});

Deno.test("the wait is a quarter more or less", () => {
  assertEquals([0, 1].map((random) => new CheckPace(1_000, () => random).delayMs), [750, 1_250]);
});
