import type { Clock } from "./clock.ts";

/** The least time between two tries: what fetches tokens may give the same one again, which expires as soon. */
const PAUSE_MS = 10_000;

/** Renews the token of a connection when the server says that it expires soon: at once, and again where that did not help. */
export class TokenRefresh {
  readonly #clock: Clock;
  readonly #refresh: () => Promise<unknown>;
  #triedAt = -Infinity;
  #timer: unknown;
  #isWanted = false;

  constructor(clock: Clock, refresh: () => Promise<unknown>) {
    this.#clock = clock;
    this.#refresh = refresh;
  }

  /** The token of the connection expires soon. */
  expiring(): void {
    this.#isWanted = true;
    this.#clock.clearTimeout(this.#timer);
    const waitMs = Math.max(0, this.#triedAt + PAUSE_MS - this.#clock.now());
    this.#timer = this.#clock.setTimeout(() => this.#try(), waitMs);
  }

  /** The connection is gone: the next one asks for a token anyway. */
  stop(): void {
    this.#isWanted = false;
    this.#clock.clearTimeout(this.#timer);
  }

  #try(): void {
    this.#triedAt = this.#clock.now();
    this.#refresh().catch(() => {
      // Where it fails for ever the connection ends with its token.
      if (this.#isWanted) this.expiring();
    });
  }
}
