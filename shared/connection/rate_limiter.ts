/** How fast a connection may send. */
export interface RateLimits {
  /** Frames a second in the long run. */
  readonly messagesPerSecond: number;
  /** Frames at once. */
  readonly messageBurst: number;
  /** Bytes a second in the long run. */
  readonly bytesPerSecond: number;
  /** Bytes at once. */
  readonly byteBurst: number;
}

/** A token bucket for messages and one for bytes, full at first: a burst at once, then the sustained rate. */
export class RateLimiter {
  readonly #limits: RateLimits;
  readonly #now: () => number;
  #messages: number;
  #bytes: number;
  #filledAt: number;

  /** Begins with a full burst; `now` is a clock in milliseconds. */
  constructor(limits: RateLimits, now: () => number = Date.now) {
    this.#limits = limits;
    this.#now = now;
    this.#messages = limits.messageBurst;
    this.#bytes = limits.byteBurst;
    this.#filledAt = now();
  }

  /** Takes messages of `bytes` in all, one if not told otherwise, where both buckets hold them; what is refused takes nothing. */
  take(bytes: number, messages = 1): boolean {
    this.#fill();
    if (this.#messages < messages || this.#bytes < bytes) return false;
    this.#messages -= messages;
    this.#bytes -= bytes;
    return true;
  }

  /** Milliseconds until a message of `bytes` would pass. */
  waitMs(bytes: number): number {
    const { messagesPerSecond, bytesPerSecond } = this.#limits;
    const seconds = Math.max((1 - this.#messages) / messagesPerSecond, (bytes - this.#bytes) / bytesPerSecond, 0);
    return Math.ceil(seconds * 1000);
  }

  /** Before every message, or the time that a full bucket was idle would count once more when it is empty. */
  #fill(): void {
    const now = this.#now();
    // A clock that was set back must not freeze the buckets.
    const seconds = Math.max(0, now - this.#filledAt) / 1000;
    this.#filledAt = now;
    const { messagesPerSecond, messageBurst, bytesPerSecond, byteBurst } = this.#limits;
    this.#messages = Math.min(messageBurst, this.#messages + seconds * messagesPerSecond);
    this.#bytes = Math.min(byteBurst, this.#bytes + seconds * bytesPerSecond);
  }
}
