import type { Redis } from "ioredis";
import { type Bus, BusCounters, type BusOptions, type SubscribeOptions, type Unsubscribe } from "./bus.ts";
import { logWarning } from "./log_warning.ts";
import { outageOf, RedisConnection } from "./redis_connection.ts";
import { Subscribers } from "./subscribers.ts";
import { WaitingTexts } from "./waiting_texts.ts";

/** Where Redis is. */
export interface RedisBusOptions extends BusOptions {
  /**
   * `redis://[USER:PASSWORD@]HOST[:PORT][/NUMBER]`, or `rediss://` for TLS. Pub/sub knows no databases; here the number
   * keeps several projects on one server apart all the same.
   */
  readonly url: string;
  /** How long a server may leave a command without an answer before another connection is made; default 5,000 ms. */
  readonly patienceMs?: number;
}

/** Characters that may be on their way to a server that has not answered; what comes beyond is dropped. */
const MAX_UNANSWERED_CHARS = 4_000_000;
const CHARS_PER_COMMAND = 100;
const ANSWER_MS = 150;

/**
 * A bus over the pub/sub of a Redis server: one connection to publish on and one to hear on, opened at the first text and
 * the first subscription; only then is ioredis loaded. Texts that are published while there is no connection wait for up
 * to two seconds; those that were on their way when it was lost are lost. What the server refuses, as to a user without
 * the channels `edge-sockets:*`, is told of once and tried again.
 */
export function redisBus(options: RedisBusOptions): Bus {
  return new RedisBus(options);
}

class RedisBus implements Bus {
  readonly counters = new BusCounters();
  readonly answerMs = ANSWER_MS;
  readonly #url: string;
  readonly #prefix: string;
  readonly #patienceMs: number;
  readonly #warn: (message: string) => void;
  readonly #subscribers: Subscribers;
  readonly #waiting = new WaitingTexts(this.counters);
  #publishing: RedisConnection | undefined;
  #hearing: RedisConnection | undefined;
  #pinging: ReturnType<typeof setInterval> | undefined;
  /** Topics that the server would not let this isolate listen to. */
  readonly #refusedTopics = new Set<string>();
  readonly #toldRefusals = new Set<string>();
  #isClosed = false;
  /** What was sent over the present connection and has no answer. */
  #unanswered = { texts: 0, chars: 0 };

  constructor({ url, patienceMs = 5_000, warn = logWarning }: RedisBusOptions) {
    // What the platform throws here quotes the address, and with it the password.
    if (!URL.canParse(url)) throw new RangeError("Cannot open the bus as 'url' must be redis://HOST or rediss://HOST");
    this.#url = url;
    this.#prefix = `edge-sockets:${new URL(url).pathname.slice(1) || "0"}:`;
    this.#patienceMs = patienceMs;
    this.#warn = warn;
    this.#subscribers = new Subscribers(this.counters, warn);
  }

  publish(topic: string, text: string): void {
    if (this.#isClosed) return;
    this.counters.published++;
    this.#publishing ??= this.#connectToPublish();
    const redis = this.#publishing.ready;
    if (redis === undefined) this.#waiting.add(topic, text);
    else this.#send(redis, topic, text);
  }

  subscribe(topic: string, onText: (text: string) => void, options?: SubscribeOptions): Unsubscribe {
    if (this.#isClosed) return () => {};
    const isNew = !this.#subscribers.has(topic);
    const unsubscribe = this.#subscribers.add(topic, { onText, ...options }, () => {
      this.#hearing?.ready?.unsubscribe(this.#prefix + topic).catch(lost);
    });
    this.#hearing ??= this.#connectToHear();
    const redis = this.#hearing.ready;
    if (isNew && redis !== undefined) this.#hear(redis, [topic]);
    return unsubscribe;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#pinging);
    this.#subscribers.clear();
    await Promise.all([this.#publishing?.close(), this.#hearing?.close()]);
  }

  #connectToPublish(): RedisConnection {
    return new RedisConnection({
      url: this.#url,
      patienceMs: this.#patienceMs,
      warn: this.#warn,
      onReady: (redis, isAgain) => {
        if (isAgain) this.counters.reconnects++;
        for (const { topic, text } of this.#waiting.take()) this.#send(redis, topic, text);
      },
      onLost: () => {
        this.counters.dropped += this.#unanswered.texts;
        this.#unanswered = { texts: 0, chars: 0 };
      },
    });
  }

  #connectToHear(): RedisConnection {
    const listening = new WeakSet<Redis>();
    this.#pinging = setInterval(() => {
      const redis = this.#hearing?.ready;
      if (redis === undefined) return;
      redis.ping().catch(lost); // Who only listens would not notice that nobody speaks any more.
      this.#hear(redis, [...this.#refusedTopics].filter((topic) => this.#subscribers.has(topic)));
    }, 2 * this.#patienceMs);
    return new RedisConnection({
      url: this.#url,
      patienceMs: this.#patienceMs,
      warn: this.#warn,
      onReady: (redis, isAgain) => {
        if (isAgain) this.counters.reconnects++;
        if (!listening.has(redis)) {
          listening.add(redis);
          redis.on("message", (channel, text) => this.#subscribers.deliver(channel.slice(this.#prefix.length), text));
        }
        this.#hear(redis, this.#subscribers.topics);
      },
      onLost: () => this.#subscribers.lost(),
    });
  }

  #hear(redis: Redis, topics: readonly string[]): void {
    for (const topic of topics) this.#refusedTopics.delete(topic);
    if (topics.length === 0) return;
    redis.subscribe(...topics.map((topic) => this.#prefix + topic)).then(() => {
      if (this.#hearing?.ready === redis) { for (const topic of topics) this.#subscribers.ready(topic); }
    }, (error) => {
      if (!isRefusal(error)) return lost();
      for (const topic of topics) this.#refusedTopics.add(topic);
      this.#tellRefusal("SUBSCRIBE", error);
    });
  }

  #tellRefusal(command: "SUBSCRIBE" | "PUBLISH", error: Error): void {
    if (this.#isClosed || this.#toldRefusals.has(command)) return;
    this.#toldRefusals.add(command);
    this.#warn(`Redis refuses ${command} on ${this.#prefix}*: ${outageOf(error)}`);
  }

  #send(redis: Redis, topic: string, text: string): void {
    const chars = topic.length + text.length + CHARS_PER_COMMAND;
    const unanswered = this.#unanswered;
    if (unanswered.chars + chars > MAX_UNANSWERED_CHARS) {
      this.counters.dropped++;
      return;
    }
    unanswered.texts++;
    unanswered.chars += chars;
    const answered = () => {
      unanswered.texts--;
      unanswered.chars -= chars;
    };
    redis.publish(this.#prefix + topic, text).then(answered, (error) => {
      answered();
      if (isRefusal(error)) this.#tellRefusal("PUBLISH", error);
      // What was lost with its connection is counted already.
      if (unanswered === this.#unanswered) this.counters.dropped++;
    });
  }
}

/** Whether the server itself said no, over a connection that is up. */
function isRefusal(error: unknown): error is Error {
  return error instanceof Error && error.name === "ReplyError";
}

/** A command that failed was lost with its connection; the next one makes all subscriptions anew. */
function lost(): void {}
