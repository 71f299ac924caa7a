import type { BusCounters } from "./bus.ts";
import { groupTexts, realtimeTopic, TEXTS_EVENT } from "./realtime_message.ts";
import { WaitingTexts } from "./waiting_texts.ts";

/** What posting is given. */
export interface RealtimePostsOptions {
  readonly url: string;
  readonly secretKey: string;
  readonly counters: BusCounters;
  readonly warn: (message: string) => void;
  readonly fetch?: typeof fetch;
}

const TIMEOUT_MS = 5_000;
const GOODBYE_MS = 500;
/** Of one request: Realtime asks the policies for each topic of it. */
const MAX_REQUEST = { texts: 50, chars: 400_000 };

/**
 * Broadcasts by Realtime's REST API, for topics that nobody here subscribes to. One request at a time: what is published
 * meanwhile goes together in the next. What a request that failed held is lost.
 */
export class RealtimePosts {
  readonly #options: RealtimePostsOptions;
  readonly #waiting: WaitingTexts;
  readonly #abort = new AbortController();
  #sending: Promise<void> | undefined;
  #isOut = false;

  constructor(options: RealtimePostsOptions) {
    this.#options = options;
    this.#waiting = new WaitingTexts(options.counters);
  }

  add(topic: string, texts: readonly string[]): void {
    for (const text of texts) this.#waiting.add(topic, text);
    this.#sending ??= this.#sendAll().finally(() => this.#sending = undefined);
  }

  /** Lets what was published arrive, for a moment, and ends the request. */
  async close(): Promise<void> {
    const timer = setTimeout(() => this.#abort.abort(), GOODBYE_MS);
    await this.#sending;
    clearTimeout(timer);
  }

  async #sendAll(): Promise<void> {
    while (this.#waiting.size > 0 && !this.#abort.signal.aborted) {
      const texts = this.#waiting.take(MAX_REQUEST);
      if (texts.length > 0 && !await this.#post(texts)) this.#options.counters.dropped += texts.length;
    }
  }

  async #post(publications: readonly { topic: string; text: string }[]): Promise<boolean> {
    const { url, secretKey, fetch = globalThis.fetch } = this.#options;
    const byTopic = Map.groupBy(publications, ({ topic }) => topic);
    const messages = [...byTopic].flatMap(([topic, publications]) =>
      groupTexts(publications.map(({ text }) => text))
        .map((texts) => ({ topic: realtimeTopic(topic), event: TEXTS_EVENT, private: true, payload: { texts } }))
    );
    const timeout = new AbortController();
    const timer = setTimeout(() => timeout.abort(), TIMEOUT_MS);
    try {
      const response = await fetch(`${url}/realtime/v1/api/broadcast`, {
        method: "POST",
        headers: { "apikey": secretKey, "content-type": "application/json" },
        body: JSON.stringify({ messages }),
        signal: AbortSignal.any([this.#abort.signal, timeout.signal]),
      });
      await response.body?.cancel();
      if (!response.ok) this.#warn(`status ${response.status}`);
      else this.#isOut = false;
      return response.ok;
    } catch (error) {
      this.#warn(error instanceof Error ? error.name : "unknown");
      return false;
    } finally {
      clearTimeout(timer);
    }
  }

  #warn(reason: string): void {
    if (this.#isOut || this.#abort.signal.aborted) return;
    this.#isOut = true;
    this.#options.warn(`Cannot broadcast by Realtime's REST API: ${reason}`);
  }
}
