/** What a connection may send, as its first frame says. */
export interface SendLimits {
  readonly messages_per_second: number;
  readonly bytes_per_second: number;
}

/** The share of the allowed rate that is used: clocks differ, and a network hands on in bursts what was sent evenly. */
const SHARE = 0.9;
/** What may go at once, in seconds of the rate: servers take a second's worth, and more where some of it comes late. */
const BURST_SECONDS = 0.5;

/**
 * Keeps what is sent below the server's limits, so that nothing is refused for its rate. A frame costs the seconds that
 * its rate allows it; half a second's worth may go at once.
 */
export class Pacer {
  readonly #limits: SendLimits;
  #budgetSeconds = BURST_SECONDS;
  #at: number;

  constructor(limits: SendLimits, now: number) {
    this.#limits = limits;
    this.#at = now;
  }

  /** Takes what a frame of so many bytes costs and gives 0; or takes nothing, and gives how many milliseconds to wait. */
  take(bytes: number, now: number): number {
    this.#budgetSeconds = Math.min(BURST_SECONDS, this.#budgetSeconds + SHARE * (now - this.#at) / 1000);
    this.#at = now;
    const { messages_per_second, bytes_per_second } = this.#limits;
    const cost = Math.min(BURST_SECONDS, Math.max(1 / messages_per_second, bytes / bytes_per_second));
    // A millionth for what rounding loses: else a wait could end a moment too early, and begin again for nothing.
    if (this.#budgetSeconds + 1e-6 < cost) return Math.ceil(1000 * (cost - this.#budgetSeconds) / SHARE);
    this.#budgetSeconds -= cost;
    return 0;
  }
}
