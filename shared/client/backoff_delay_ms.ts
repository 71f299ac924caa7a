/** Where waiting begins, and what it never exceeds, in milliseconds. */
export interface BackoffBounds {
  /** The most before the first try; default 500. */
  readonly baseMs?: number;
  /** The most ever; default 30,000. */
  readonly maxMs?: number;
}

/**
 * How long to wait before try `attempt` (0 is the first): exponential backoff with full jitter, so that clients which
 * lost the same isolate come back spread over the whole interval. `random` is from 0 (included) to 1 (not included);
 * the delay is from 0 to `min(maxMs, baseMs * 2 ** attempt)`, by default 500 ms doubling up to 30 s.
 */
export function backoffDelayMs(
  attempt: number,
  random: number,
  { baseMs = 500, maxMs = 30_000 }: BackoffBounds = {},
): number {
  return Math.floor(random * Math.min(maxMs, baseMs * 2 ** attempt));
}
