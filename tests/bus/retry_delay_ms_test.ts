import { assertEquals } from "@std/assert";
import { retryDelayMs } from "../../shared/bus/retry_delay_ms.ts";

Deno.test("retryDelayMs() doubles up to the most, with half of it jitter", () => {
  const delays = (random: () => number) =>
    [1, 2, 3, 7, 100].map((attempt) => retryDelayMs(attempt, { firstMs: 50, mostMs: 3_000, random }));
  assertEquals(delays(() => 1), [50, 100, 200, 3_000, 3_000]);
  assertEquals(delays(() => 0), [25, 50, 100, 1_500, 1_500]);
});
