/** How many sends may be made at once, in seconds of their rate. */
const BURST_S = 5;
/** The longest time to gather, in milliseconds: what is sent over the rate then is Realtime's to refuse. */
const LONGEST_WAIT_MS = 500;

/**
 * Keeps what is sent near a rate by gathering longer, the more has been sent: Realtime counts sends, not what is in them,
 * and cuts off everybody's connection where a project makes too many.
 */
export class SendPace {
  readonly #perSecond: number;
  readonly #now: () => number;
  /** Sends that may be made at once; below zero where more were. */
  #left: number;
  #at: number;

  /** `now` is a clock in milliseconds. */
  constructor(perSecond: number, now: () => number = Date.now) {
    this.#perSecond = perSecond;
    this.#now = now;
    this.#left = perSecond * BURST_S;
    this.#at = now();
  }

  /** Counts what was sent just now, and gives for how long to gather before the next, in milliseconds. */
  sent(count: number): number {
    const now = this.#now();
    // A clock that was set back must not hold up anything.
    const passedMs = Math.max(0, now - this.#at);
    this.#at = now;
    const most = this.#perSecond * BURST_S;
    const least = -this.#perSecond * LONGEST_WAIT_MS / 1_000;
    this.#left = Math.max(least, Math.min(most, this.#left + passedMs * this.#perSecond / 1_000) - count);
    return this.#left >= 0 ? 0 : -this.#left * 1_000 / this.#perSecond;
  }
}
