import type { BusCounters, SubscribeOptions, Unsubscribe } from "./bus.ts";

interface Subscriber extends SubscribeOptions {
  readonly onText: (text: string) => void;
}

interface Topic {
  /** Another list with each change. Nearly all have one subscriber, and a set of one costs three times as much. */
  subscribers: readonly Subscriber[];
  /** What is published on it arrives. */
  isReady: boolean;
}

/** Who here listens to which topic: the part of a bus that is the same for all backends. */
export class Subscribers {
  readonly #topics = new Map<string, Topic>();
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

  /** Adds a subscriber, an object of its own; `onLast` is called when the topic has none any more because this one ended. */
  add(name: string, subscriber: Subscriber, onLast?: () => void): Unsubscribe {
    const known = this.#topics.get(name);
    const topic: Topic = known ?? { subscribers: [subscriber], isReady: false };
    if (known === undefined) this.#topics.set(name, topic);
    else known.subscribers = [...known.subscribers, subscriber];
    if (topic.isReady) this.#call(() => subscriber.onReady?.());
    return () => this.#end(name, topic, subscriber, onLast);
  }

  /** Hands a text to those who listen now. */
  deliver(name: string, text: string): void {
    const topic = this.#topics.get(name);
    if (topic === undefined) return;
    this.#counters.received++;
    this.#each(topic, (subscriber) => subscriber.onText(text));
  }

  /** What is published on a topic arrives from now on; to be told again after each loss. */
  ready(name: string): void {
    const topic = this.#topics.get(name);
    if (topic === undefined) return;
    topic.isReady = true;
    this.#each(topic, (subscriber) => subscriber.onReady?.());
  }

  /** What is published on a topic, or on any, may not arrive until it is ready again. */
  lost(name?: string): void {
    for (const [known, topic] of this.#topics) if (name === undefined || name === known) topic.isReady = false;
  }

  /** Ends all of them. */
  clear(): void {
    for (const topic of this.#topics.values()) topic.subscribers = [];
    this.#topics.clear();
  }

  #end(name: string, topic: Topic, subscriber: Subscriber, onLast: (() => void) | undefined): void {
    if (!topic.subscribers.includes(subscriber)) return;
    topic.subscribers = topic.subscribers.filter((other) => other !== subscriber);
    if (topic.subscribers.length > 0 || this.#topics.get(name) !== topic) return;
    this.#topics.delete(name);
    onLast?.();
  }

  #each(topic: Topic, tell: (subscriber: Subscriber) => void): void {
    // One of them may end another, or begin anew.
    for (const subscriber of topic.subscribers) {
      if (topic.subscribers.includes(subscriber)) this.#call(() => tell(subscriber));
    }
  }

  #call(tell: () => void): void {
    try {
      tell();
    } catch (error) {
      this.#warn(`A subscriber failed: ${error instanceof Error ? error.stack : error}`);
    }
  }
}
