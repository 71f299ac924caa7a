/** How many connections there may be. */
export interface PlaceLimits {
  readonly maxConnections: number;
  readonly maxConnectionsPerUser: number;
}

/**
 * Counts connections against the limits of an isolate and of its users. A connection has its place from its beginning
 * until the runtime holds nothing more for its socket, which may be long after it was closed: else who stalls could come
 * again and again, and each time leave behind what he has not read.
 */
export class Places {
  readonly #limits: PlaceLimits;
  readonly #ofUser = new Map<string, number>();
  #taken = 0;

  constructor(limits: PlaceLimits) {
    this.#limits = limits;
  }

  /** How many are taken. */
  get taken(): number {
    return this.#taken;
  }

  /** Whether no more may come, where `coming` are on the way. */
  isFull(coming = 0): boolean {
    return this.#taken + coming >= this.#limits.maxConnections;
  }

  /** Whether this user has all he may have. */
  isFullFor(userId: string): boolean {
    return this.#countOf(userId) >= this.#limits.maxConnectionsPerUser;
  }

  /** Takes one; who may not have it was to be asked before. */
  take(userId: string | undefined): void {
    this.#taken++;
    if (userId !== undefined) this.#ofUser.set(userId, this.#countOf(userId) + 1);
  }

  /** Gives back what one call of `take` with this user took. */
  leave(userId: string | undefined): void {
    this.#taken--;
    if (userId === undefined) return;
    const left = this.#countOf(userId) - 1;
    if (left > 0) this.#ofUser.set(userId, left);
    else this.#ofUser.delete(userId);
  }

  #countOf(userId: string): number {
    return this.#ofUser.get(userId) ?? 0;
  }
}
