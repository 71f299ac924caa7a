import { assertEquals } from "@std/assert";
import { timeLeftMs } from "../../shared/isolate/time_left_ms.ts";

const LEFT: [string, number, number, number, string][] = [
  ["wall_clock", 150_000, 135_000, 15_000, "a tenth of the wall clock"],
  ["wall_clock", 400_000, 135_000, 15_000, "what the platform shows, where the setting promises more"],
  ["wall_clock", 100_000, 95_000, 5_000, "what the setting leaves, where that is less"],
  ["wall_clock", 100_000, 120_000, 0, "nothing after the end"],
  ["cpu", 150_000, 10_000, 2_000, "little, however young it is"],
  ["memory", 150_000, 10_000, 2_000, "little, however young it is"],
  ["memory", 150_000, 149_400, 600, "no more than the wall clock leaves"],
  ["early_drop", 150_000, 80_000, 1_000, "next to nothing, as nothing is pending"],
  ["termination", 150_000, 10_000, 15_000, "what the platform waits"],
  ["termination", 400_000, 10_000, 15_000, "what the platform waits, however long the wall clock is"],
  ["termination", 10_000, 2_000, 1_000, "a tenth of a short wall clock"],
  ["unload", 150_000, 10_000, 15_000, "as at a termination, for a reason that is not known"],
];

for (const [reason, wallClockMs, ageMs, leftMs, why] of LEFT) {
  Deno.test(`timeLeftMs() for ${reason} at ${ageMs} of ${wallClockMs} ms is ${why}`, () => {
    assertEquals(Math.round(timeLeftMs(reason, { wallClockMs, ageMs })), leftMs);
  });
}
