import type { BusCounters, Unsubscribe } from "./bus.ts";

interface Subscriber {
  readonly onText: (text: string) => void;
}

/** Who here listens to which topic: the part of a bus that is the same for all backends. */
export class Subscribers {
  readonly #topics = new Map<string, Set<Subscriber>>();
  readonly #counters: BusCounters;
  readonly #warn: (message: string) => void;

  constructor(counters: BusCounters, warn: (message: string) => void) {
    this.#counters = counters;
    this.#warn = warn;
  }

  /** The topics that have a subscriber. */
  get topics(): string[] {
    return [...this.#topics.keys()];
  }

  has(topic: string): boolean {
    return this.#topics.has(topic);
  }

  /** Adds a subscriber; `onLast` is called when the topic has none any more because this one ended. */
  add(topic: string, onText: (text: string) => void, onLast?: () => void): Unsubscribe {
    const subscriber: Subscriber = { onText };
    const subscribers = this.#topics.get(topic) ?? new Set();
    this.#topics.set(topic, subscribers.add(subscriber));
    return () => {
      if (!subscribers.delete(subscriber) || subscribers.size > 0 || this.#topics.get(topic) !== subscribers) return;
      this.#topics.delete(topic);
      onLast?.();
    };
  }

  /** Hands a text to those who listen now. */
  deliver(topic: string, text: string): void {
    const subscribers = this.#topics.get(topic);
    if (subscribers === undefined) return;
    this.#counters.received++;
    // One of them may end another, or begin anew.
    for (const subscriber of [...subscribers]) {
      if (!subscribers.has(subscriber)) continue;
      try {
        subscriber.onText(text);
      } catch (error) {
        this.#warn(`A subscriber failed: ${error instanceof Error ? error.stack : error}`);
      }
    }
  }

  /** Ends all of them. */
  clear(): void {
    for (const subscribers of this.#topics.values()) subscribers.clear();
    this.#topics.clear();
  }
}
