import type { Clock } from "./clock.ts";

/** How a pinger tells a dead network from a quiet one. */
export interface PingerOptions {
  readonly clock: Clock;
  /** How long nothing may come before it asks; 0: never. */
  readonly intervalMs: number;
  /** How long it waits for anything after that. */
  readonly timeoutMs: number;
  readonly ping: () => void;
  readonly dead: () => void;
}

/** Asks a connection on which nothing comes whether it lives, and says so once where it does not. */
export class Pinger {
  readonly #options: PingerOptions;
  #heardAt: number;
  #pingedAt: number | undefined;
  #timer: unknown;

  constructor(options: PingerOptions) {
    this.#options = options;
    this.#heardAt = options.clock.now();
    if (options.intervalMs > 0) this.#after(options.intervalMs);
  }

  /** Something came: it lives. */
  heard(): void {
    this.#heardAt = this.#options.clock.now();
    this.#pingedAt = undefined;
  }

  /** Asks now: the network may have changed. */
  probe(): void {
    if (this.#pingedAt === undefined) this.#ping();
  }

  stop(): void {
    this.#options.clock.clearTimeout(this.#timer);
  }

  #ping(): void {
    this.#pingedAt = this.#options.clock.now();
    this.#after(this.#options.timeoutMs);
    this.#options.ping();
  }

  #after(delayMs: number): void {
    const { clock } = this.#options;
    clock.clearTimeout(this.#timer);
    this.#timer = clock.setTimeout(() => this.#check(), delayMs);
  }

  #check(): void {
    const { clock, intervalMs, timeoutMs, dead } = this.#options;
    const now = clock.now();
    if (this.#pingedAt !== undefined) {
      // A page that was frozen comes here before what arrived meanwhile is read: ask again before judging.
      if (now - this.#pingedAt > 2 * timeoutMs) return this.#ping();
      return dead();
    }
    if (intervalMs <= 0) return;
    const leftMs = this.#heardAt + intervalMs - now;
    if (leftMs > 0) this.#after(leftMs);
    else this.#ping();
  }
}
