/** After so many checks in a row that found nothing missed, the next ones come half as often. */
const CLEAN_CHECKS = 10;
/** And never less often than once in so many intervals. */
const MOST_INTERVALS = 4;

/**
 * How often to look for what a bus may have lost: a bus that has lost nothing for a while is looked after less often, and
 * as often as at first as soon as anything was missed. So what is lost shows after 1.25 `intervalMs` at the latest, and
 * after five where it is the first in a long time.
 */
export class CheckPace {
  readonly #intervalMs: number;
  readonly #random: () => number;
  #clean = 0;
  #intervals = 1;

  constructor(intervalMs: number, random: () => number = Math.random) {
    this.#intervalMs = intervalMs;
    this.#random = random;
  }

  /** How long to wait now, in milliseconds; a quarter more or less, so that isolates do not ask all at once. */
  get delayMs(): number {
    return this.#intervalMs * this.#intervals * (0.75 + this.#random() / 2);
  }

  /** Takes in what a check found. */
  checked(isClean: boolean): void {
    this.#clean = isClean ? this.#clean + 1 : 0;
    if (!isClean) this.#intervals = 1;
    if (this.#clean < CLEAN_CHECKS) return;
    this.#clean = 0;
    this.#intervals = Math.min(MOST_INTERVALS, 2 * this.#intervals);
  }
}
