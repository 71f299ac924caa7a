/** The hand-over of an isolate with plenty of time left takes no longer than this, in milliseconds. */
const LONGEST_WINDOW_MS = 15_000;
const LONGEST_GRACE_MS = 10_000;
/**
 * A client that moves needs an isolate that may have to boot first, and on a busy machine that takes a second or more:
 * where time is short the last one's grace comes before the spread of the others, up to a share of what is left.
 */
const LEAST_GRACE_MS = 1_500;
const GRACE_SHARE = 0.6;
/** Of what is left, for all that is slower than planned. */
const SPARE_SHARE = 0.1;

/**
 * How an isolate spends the `leftMs` before it is killed: half of it spreads the connections' departures, and a third
 * waits for the last of them, so that a sixth is spare. Where that third would be too short for a client to move, the
 * window gives way.
 */
export function drainTimes(leftMs: number): { windowMs: number; graceMs: number } {
  const left = Math.max(0, leftMs);
  const graceMs = Math.min(LONGEST_GRACE_MS, Math.max(left / 3, Math.min(LEAST_GRACE_MS, left * GRACE_SHARE)));
  const windowMs = Math.min(LONGEST_WINDOW_MS, left / 2, left * (1 - SPARE_SHARE) - graceMs);
  return { windowMs: Math.round(windowMs), graceMs: Math.round(graceMs) };
}
