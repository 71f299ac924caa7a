/** The time between two looks after a client that reads. */
const LEAST_MS = 10;

/**
 * How a client reads what it was sent. A socket does not tell when its buffer empties, so it has to be looked at: soon
 * again while the client reads, and less and less often while it does not. Who is sent as much as it reads, and more, does
 * not read in this sense.
 */
export class ReadPace {
  #unread = Infinity;
  #readAt = 0;
  #periodMs = LEAST_MS;

  /** Notes what is unread at a moment. Gives the period after which to look again, `mostMs` at most. */
  look(unread: number, nowMs: number, mostMs: number): number {
    if (unread < this.#unread) {
      this.#periodMs = LEAST_MS;
      this.#readAt = nowMs;
    } else {
      this.#periodMs = Math.min(2 * this.#periodMs, mostMs);
    }
    this.#unread = unread;
    return this.#periodMs;
  }

  /** For how long nothing has been read, of a client that has been looked at. */
  stalledMs(nowMs: number): number {
    return nowMs - this.#readAt;
  }
}
