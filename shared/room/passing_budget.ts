import { RateLimiter, type RateLimits } from "../connection/mod.ts";

/**
 * What passing frames of one user may cost an isolate, counted in deliveries: one for each connection there that hears
 * it. The limits of a connection bound what comes in, and a room multiplies it.
 */
export const PASSING_LIMITS: RateLimits = {
  messagesPerSecond: 10_000,
  messageBurst: 20_000,
  bytesPerSecond: 8 * 1024 * 1024,
  byteBurst: 32 * 1024 * 1024,
};

/** Users whose use is known at a time; those beyond them share what is one user's. */
const MAX_USERS = 10_000;

interface Used {
  readonly limiter: RateLimiter;
  takenAt: number;
}

/**
 * How much each user may still pass on at an isolate, wherever his connections are and however many he opens one after
 * another: what he used is known until it is given back in full.
 */
export class PassingBudget {
  readonly #limits: RateLimits;
  readonly #maxUsers: number;
  readonly #now: () => number;
  /** When everything is given back that was used at once, in milliseconds. */
  readonly #fullAfterMs: number;
  /** In the order in which they last took. */
  readonly #users = new Map<string, Used>();
  #shared: RateLimiter | undefined;

  /** `now` is a clock in milliseconds. */
  constructor(limits: RateLimits = PASSING_LIMITS, maxUsers = MAX_USERS, now: () => number = Date.now) {
    const { messageBurst, messagesPerSecond, byteBurst, bytesPerSecond } = limits;
    this.#limits = limits;
    this.#maxUsers = maxUsers;
    this.#now = now;
    this.#fullAfterMs = 1_000 * Math.max(messageBurst / messagesPerSecond, byteBurst / bytesPerSecond);
  }

  /** How many users have used something of theirs that is not given back yet, or was not when another one came last. */
  get size(): number {
    return this.#users.size;
  }

  /**
   * Takes what a frame of a user costs where so many connections hear it; false where he has used up what he may, and
   * always where it comes to more bytes than he may send at once. More connections than that hear one when nothing is used.
   */
  take(userId: string, bytes: number, receivers: number): boolean {
    return this.#limiterOf(userId).take(bytes * receivers, Math.min(this.#limits.messageBurst, receivers));
  }

  #limiterOf(userId: string): RateLimiter {
    const now = this.#now();
    const known = this.#users.get(userId);
    if (known === undefined) this.#forget(now);
    if (known === undefined && this.#users.size >= this.#maxUsers) return this.#shared ??= this.#newLimiter();
    const used = known ?? { limiter: this.#newLimiter(), takenAt: now };
    used.takenAt = now;
    this.#users.delete(userId); // So that the first of them is always the one who took longest ago.
    this.#users.set(userId, used);
    return used.limiter;
  }

  /** Those who have everything back. A clock that was set back must not keep them. */
  #forget(now: number): void {
    for (const [userId, { takenAt }] of this.#users) {
      if (Math.abs(now - takenAt) < this.#fullAfterMs) return;
      this.#users.delete(userId);
    }
  }

  #newLimiter(): RateLimiter {
    return new RateLimiter(this.#limits, this.#now);
  }
}
