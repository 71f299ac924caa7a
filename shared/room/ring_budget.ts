/** What counts against the budget: a cache that may be emptied at any time. */
export interface Budgeted {
  /** How many characters it holds. */
  readonly chars: number;
  /** Forgets what it holds, and says so by `released`. */
  clear(): void;
}

/** Of the bound, what is left after rings were emptied: they are not looked through again with the next event. */
const KEPT = 3 / 4;

/**
 * How many characters the rings of an isolate hold in all: a bound for each does not bound them together, and there are
 * as many as rooms. What comes over it empties the largest of them, as far as is needed: the ring of an ordinary room is
 * a small part of the bound, and all that an emptied one costs is a page of the store for who comes back.
 */
export class RingBudget {
  readonly #maxChars: number;
  /** Those that hold something. */
  readonly #rings = new Set<Budgeted>();
  #chars = 0;

  constructor(maxChars: number) {
    this.#maxChars = maxChars;
  }

  /** How many characters are held in all. */
  get chars(): number {
    return this.#chars;
  }

  /** A ring that held nothing holds something from now on. */
  begin(ring: Budgeted): void {
    this.#rings.add(ring);
  }

  /** A ring holds so many characters more; it may be empty after that. */
  take(chars: number): void {
    this.#chars += chars;
    if (this.#chars > this.#maxChars) this.#makeRoom();
  }

  /** A ring holds so many less. */
  release(chars: number): void {
    this.#chars -= chars;
  }

  /** A ring, which held so many characters, holds nothing. */
  end(ring: Budgeted, chars: number): void {
    if (this.#rings.delete(ring)) this.#chars -= chars;
  }

  #makeRoom(): void {
    for (const ring of [...this.#rings].sort((a, b) => b.chars - a.chars)) {
      if (this.#chars <= KEPT * this.#maxChars) return;
      ring.clear();
    }
  }
}
