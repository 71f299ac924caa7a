import type { BusCounters } from "./bus.ts";

/** A text on its way to a topic. */
export interface Publication {
  readonly topic: string;
  readonly text: string;
}

/** How much may wait, and for how long. */
export interface WaitingLimits {
  /** Characters of all that waits; beyond it the oldest goes. */
  readonly maxChars: number;
  /** What waited longer is worthless, in milliseconds: by then heads have been compared with the store. */
  readonly maxAgeMs: number;
}

const LIMITS: WaitingLimits = { maxChars: 1_000_000, maxAgeMs: 2_000 };

/** Texts that wait for a connection: bounded in size and age. What is given up is counted as dropped. */
export class WaitingTexts {
  readonly #counters: BusCounters;
  readonly #limits: WaitingLimits;
  readonly #now: () => number;
  #queue: (Publication & { readonly at: number })[] = [];
  #chars = 0;

  constructor(counters: BusCounters, limits: Partial<WaitingLimits> = {}, now = () => performance.now()) {
    this.#counters = counters;
    this.#limits = { ...LIMITS, ...limits };
    this.#now = now;
  }

  get size(): number {
    return this.#queue.length;
  }

  add(topic: string, text: string): void {
    this.#queue.push({ topic, text, at: this.#now() });
    this.#chars += text.length;
    let surplus = 0;
    while (this.#chars > this.#limits.maxChars) this.#chars -= this.#queue[surplus++]!.text.length;
    if (surplus > 0) this.#queue.splice(0, surplus);
    this.#counters.dropped += surplus;
  }

  /** Takes out what is still worth sending, in the order in which it came: all of it, or so much, but one at least. */
  take({ texts = Infinity, chars = Infinity }: { texts?: number; chars?: number } = {}): Publication[] {
    let [count, sum] = [0, 0];
    return this.takeIf((_topic, text) => {
      sum += text.length;
      return count++ === 0 || (count <= texts && sum <= chars);
    });
  }

  /** Takes out what is still worth sending and wanted; the rest stays, as long as it may. */
  takeIf(isWanted: (topic: string, text: string) => boolean): Publication[] {
    const oldest = this.#now() - this.#limits.maxAgeMs;
    const fresh = this.#queue.filter(({ at }) => at >= oldest);
    this.#counters.dropped += this.#queue.length - fresh.length;
    const taken: Publication[] = [];
    this.#queue = fresh.filter((waiting) => {
      const goes = isWanted(waiting.topic, waiting.text);
      if (goes) taken.push(waiting);
      return !goes;
    });
    this.#chars = this.#queue.reduce((sum, { text }) => sum + text.length, 0);
    return taken;
  }
}
