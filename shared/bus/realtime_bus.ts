import { type Bus, BusCounters, type BusOptions, type SubscribeOptions, type Unsubscribe } from "./bus.ts";
import { logWarning } from "./log_warning.ts";
import { decodeBroadcast, groupTexts, isTooLarge } from "./realtime_message.ts";
import { RealtimeChannels } from "./realtime_channels.ts";
import { RealtimePosts } from "./realtime_posts.ts";
import { SendPace } from "./send_pace.ts";
import { Subscribers } from "./subscribers.ts";
import { WaitingTexts } from "./waiting_texts.ts";

/** Where the project is, and how to be the server there. */
export interface RealtimeBusOptions extends BusOptions {
  /** The project's URL: `https://REF.supabase.co`. */
  readonly url: string;
  /** The secret key, or the service role's. It leaves this process only in requests to `url`. */
  readonly secretKey: string;
  /**
   * After a send, texts gather for so long before the next, in milliseconds; default 10. A text that comes alone goes at
   * once; many go as one message a topic, as Realtime counts messages.
   */
  readonly windowMs?: number;
  /**
   * Messages that the project's Realtime may carry in a second; default 100, the free plan's. Over two fifths of it, as
   * each is counted where it arrives as well, texts gather longer, for half a second at most.
   */
  readonly messagesPerSecond?: number;
  /** Channels that one connection carries before another is opened; default 100, Realtime's limit. */
  readonly channelsPerConnection?: number;
  readonly fetch?: typeof fetch;
}

const ANSWER_MS = 400;
/** How much of what Realtime carries one isolate sends: a message that one other hears counts twice. */
const SHARE = 0.4;

/**
 * A bus over Supabase Realtime: Broadcast on private topics, as the server. A topic with subscribers here is one channel,
 * shared by all of them; what is published on it goes over that channel, and what is published on any other topic by the
 * REST API, many topics a request. supabase-js is loaded at the first subscription.
 *
 * The database's own hints (event `grown`) come out as JSON text. A text over 256 KB, Realtime's limit, is dropped with a
 * warning. Texts wait up to two seconds for a channel that is being joined.
 */
export function realtimeBus(options: RealtimeBusOptions): Bus {
  return new RealtimeBus(options);
}

class RealtimeBus implements Bus {
  readonly counters = new BusCounters();
  readonly answerMs = ANSWER_MS;
  readonly #windowMs: number;
  readonly #warn: (message: string) => void;
  readonly #subscribers: Subscribers;
  readonly #channels: RealtimeChannels;
  readonly #posts: RealtimePosts;
  /** What waits for its channel. */
  readonly #waiting = new WaitingTexts(this.counters);
  /** What was published since the last flush, by topic. */
  #outbox = new Map<string, string[]>();
  readonly #pace: SendPace;
  #flushedAt = 0;
  /** For how long after that texts gather, in milliseconds. */
  #gatherMs = 0;
  #isScheduled = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isClosed = false;

  constructor({ windowMs = 10, messagesPerSecond = 100, warn = logWarning, ...options }: RealtimeBusOptions) {
    this.#windowMs = windowMs;
    this.#pace = new SendPace(SHARE * messagesPerSecond);
    this.#warn = warn;
    this.#subscribers = new Subscribers(this.counters, warn);
    this.#posts = new RealtimePosts({ ...options, warn, counters: this.counters });
    this.#channels = new RealtimeChannels({
      ...options,
      warn,
      counters: this.counters,
      onBroadcast: (topic, event, payload) => {
        for (const text of decodeBroadcast(event, payload)) this.#subscribers.deliver(topic, text);
      },
      onJoined: (topic) => {
        this.#sendWaiting();
        this.#subscribers.ready(topic);
      },
      onLost: (topic) => this.#subscribers.lost(topic),
    });
  }

  publish(topic: string, text: string): void {
    if (this.#isClosed) return;
    this.counters.published++;
    // One's own texts need no server: Realtime is told not to send them back.
    this.#subscribers.deliver(topic, text);
    if (isTooLarge(text)) return this.#drop(topic, text);
    const texts = this.#outbox.get(topic);
    if (texts === undefined) this.#outbox.set(topic, [text]);
    else texts.push(text);
    this.#schedule();
  }

  subscribe(topic: string, onText: (text: string) => void, options?: SubscribeOptions): Unsubscribe {
    if (this.#isClosed) return () => {};
    if (!this.#subscribers.has(topic)) this.#channels.join(topic);
    return this.#subscribers.add(topic, { onText, ...options }, () => {
      if (this.#outbox.has(topic)) this.#flush(); // While there is a channel to send it over.
      this.#channels.leave(topic);
    });
  }

  async close(): Promise<void> {
    if (!this.#isClosed) this.#flush();
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#subscribers.clear();
    await Promise.all([this.#channels.close(), this.#posts.close()]);
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    // Never longer than it was to be: the clock may have been set back.
    const waitMs = Math.min(this.#flushedAt + this.#gatherMs - Date.now(), this.#gatherMs);
    if (waitMs > 0) this.#timer = setTimeout(() => this.#flush(), waitMs);
    else queueMicrotask(() => this.#flush());
  }

  #flush(): void {
    this.#isScheduled = false;
    clearTimeout(this.#timer);
    if (this.#outbox.size === 0) return;
    this.#flushedAt = Date.now();
    const outbox = this.#outbox;
    this.#outbox = new Map();
    let sent = 0;
    for (const [topic, texts] of outbox) {
      for (const group of groupTexts(texts)) {
        this.#send(topic, group);
        sent++;
      }
    }
    this.#gatherMs = Math.max(this.#windowMs, this.#pace.sent(sent));
  }

  #send(topic: string, texts: readonly string[]): void {
    if (this.#channels.send(topic, texts)) return;
    if (!this.#subscribers.has(topic)) return this.#posts.add(topic, texts);
    for (const text of texts) this.#waiting.add(topic, text);
  }

  /** Sends what may go now that a channel has been joined; the rest goes on waiting, as long as it may. */
  #sendWaiting(): void {
    for (const { topic, text } of this.#waiting.takeIf((topic) => this.#channels.isJoined(topic))) {
      this.#send(topic, [text]);
    }
  }

  #drop(topic: string, text: string): void {
    this.counters.dropped++;
    this.#warn(`A text of ${text.length} characters on ${topic} is over what Realtime takes, and was dropped`);
  }
}
