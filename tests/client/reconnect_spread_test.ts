import { assert, assertEquals } from "@std/assert";
import { backoffDelayMs } from "../../shared/client/backoff_delay_ms.ts";
import { drainTimes } from "../../shared/isolate/drain_times.ts";
import { seededRandom } from "../support/seeded_random.ts";

const CLIENTS = 1_000;
const BIN_MS = 100;
const SEED = 1;

for (
  const [name, leftMs] of [
    ["of 150 s", 30_000],
    ["of 400 s", 80_000],
    ["that is killed for its CPU", 2_000],
  ] as const
) {
  Deno.test(`1,000 clients leave an isolate ${name} evenly over the window of its drain`, () => {
    const random = seededRandom(SEED);
    const { windowMs } = drainTimes(leftMs);
    assertEven(histogram(times(() => Math.round(random() * windowMs))), windowMs);
  });
}

for (let attempt = 0; attempt < 8; attempt++) {
  Deno.test(`1,000 clients wait for try ${attempt} evenly from 0 to its bound`, () => {
    const random = seededRandom(SEED + attempt);
    const bins = histogram(times(() => backoffDelayMs(attempt, random())));
    assertEven(bins, Math.min(30_000, 500 * 2 ** attempt));
  });
}

Deno.test(`after a kill 1,000 clients get into an isolate that takes 20 per 100 ms, and crowd it less and less`, () => {
  const random = seededRandom(SEED);
  const { tries, entered } = comeBack(random, 20);
  const total = tries.reduce((sum, count) => sum + count, 0);
  // At this rate it takes 5 s at best, where nobody comes while it is full.
  assert(entered.length * BIN_MS <= 30_000, `the last came in after ${entered.length * BIN_MS} ms`);
  assert(total < 5 * CLIENTS, `${total} tries`);
  const busiest = (from: number, to: number) => Math.max(...tries.slice(from / BIN_MS, to / BIN_MS));
  const peaks = [busiest(0, 500), busiest(1_000, 2_000), busiest(4_000, 8_000)] as const;
  assert(peaks[0] > peaks[1] && peaks[1] > peaks[2], `the busiest 100 ms: ${peaks}`);
});

/** When each of the clients comes, in milliseconds. */
function times(delayMs: () => number): number[] {
  return Array.from({ length: CLIENTS }, delayMs);
}

/** How many come in each 100 ms. */
function histogram(times: readonly number[]): number[] {
  const bins: number[] = [];
  for (const time of times) {
    const bin = Math.floor(time / BIN_MS);
    while (bins.length <= bin) bins.push(0);
    bins[bin]!++;
  }
  return bins;
}

/** No bin of the window holds more than chance explains, and none is left out for long. */
function assertEven(bins: readonly number[], windowMs: number): void {
  const expected = CLIENTS * BIN_MS / windowMs;
  const most = expected + 6 * Math.sqrt(expected);
  assertEquals(bins.reduce((sum, count) => sum + count), CLIENTS);
  assert(bins.length <= windowMs / BIN_MS + 1, `they come until ${bins.length * BIN_MS} ms`);
  assert(Math.max(...bins) <= most, `at most ${most.toFixed(0)} are expected in 100 ms: ${bins}`);
  for (let quarter = 0; quarter < 4 && bins.length >= 8; quarter++) {
    const part = bins.slice(quarter * bins.length / 4, (quarter + 1) * bins.length / 4);
    const count = part.reduce((sum, count) => sum + count);
    assert(Math.abs(count - CLIENTS / 4) < CLIENTS / 10, `quarter ${quarter} has ${count}: ${bins}`);
  }
}

/** Clients that lost their isolate at one moment come back to one that takes so many in 100 ms and refuses the others. */
function comeBack(random: () => number, perBin: number): { tries: number[]; entered: number[] } {
  const tries: number[] = [];
  const entered: number[] = [];
  let waiting = times(() => 0).map(() => ({ attempt: 0, at: backoffDelayMs(0, random()) }));
  for (let bin = 0; waiting.length > 0; bin++) {
    const now = waiting.filter(({ at }) => at < (bin + 1) * BIN_MS).sort((a, b) => a.at - b.at);
    const later = waiting.filter(({ at }) => at >= (bin + 1) * BIN_MS);
    tries.push(now.length);
    entered.push(Math.min(perBin, now.length));
    const refused = now.slice(perBin).map(({ attempt, at }) => ({
      attempt: attempt + 1,
      at: Math.max((bin + 1) * BIN_MS, at + backoffDelayMs(attempt + 1, random())),
    }));
    waiting = [...later, ...refused];
  }
  return { tries, entered };
}
