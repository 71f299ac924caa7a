/** The hand-over of an isolate with plenty of time left takes no longer than this, in milliseconds. */
const LONGEST_WINDOW_MS = 15_000;
const LONGEST_GRACE_MS = 10_000;

/** What is left after `beforeunload` for CPU or memory is no length of time, but it is little. */
const HURRY_MS = 2_000;

/**
 * How an isolate spends the `leftMs` before it is killed: half of it spreads the connections' departures, and a third
 * waits for the last of them, so that a sixth is spare. Where CPU or memory runs out, time is not what is short: the
 * hand-over itself has to be quick.
 */
export function drainTimes(reason: string, leftMs: number): { windowMs: number; graceMs: number } {
  const left = Math.max(0, reason === "cpu" || reason === "memory" ? Math.min(leftMs, HURRY_MS) : leftMs);
  return {
    windowMs: Math.round(Math.min(LONGEST_WINDOW_MS, left / 2)),
    graceMs: Math.round(Math.min(LONGEST_GRACE_MS, left / 3)),
  };
}
