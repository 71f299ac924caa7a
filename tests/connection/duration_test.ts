import { assertEquals } from "@std/assert";
import { parseDurationMs } from "../../shared/connection/duration.ts";

const DURATIONS: [string, number | undefined][] = [
  ["500ms", 500],
  ["30s", 30_000],
  ["1.5m", 90_000],
  ["2h", 7_200_000],
  ["0s", 0],
  ["", undefined],
  ["30", undefined],
  ["s", undefined],
  ["-1s", undefined],
  ["1 s", undefined],
  ["1S", undefined],
  ["1e3s", undefined],
  [".5s", undefined],
  ["1d", undefined],
  ["1s ", undefined],
];

for (const [text, ms] of DURATIONS) {
  Deno.test(`parseDurationMs(${JSON.stringify(text)}) is ${ms}`, () => assertEquals(parseDurationMs(text), ms));
}
