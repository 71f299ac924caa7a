import { assertEquals } from "@std/assert";
import { backoffDelayMs } from "../../shared/client/backoff_delay_ms.ts";

const CASES: [attempt: number, random: number, expected: number][] = [
  [0, 0, 0],
  [0, 0.5, 250],
  [0, 0.999999, 499],
  [1, 0.5, 500],
  [2, 0.5, 1000],
  [5, 0.5, 8000],
  [6, 0.5, 15_000],
  [7, 0.5, 15_000],
  [5000, 0.5, 15_000],
];
for (const [attempt, random, expected] of CASES) {
  Deno.test(`backoffDelayMs(${attempt}, ${random}) is ${expected}`, () => {
    assertEquals(backoffDelayMs(attempt, random), expected);
  });
}

Deno.test("backoffDelayMs() keeps to bounds of the caller", () => {
  assertEquals(backoffDelayMs(3, 0.5, { baseMs: 10, maxMs: 50 }), 25);
  assertEquals(backoffDelayMs(1, 0.5, { baseMs: 10, maxMs: 50 }), 10);
});
