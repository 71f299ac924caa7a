import type { RealtimeChannel, RealtimeClient } from "@supabase/supabase-js";
import type { BusCounters } from "./bus.ts";
import { RealtimeConnection } from "./realtime_connection.ts";
import { TEXTS_EVENT } from "./realtime_message.ts";
import { retryDelayMs } from "./retry_delay_ms.ts";

/** What the channels are given. */
export interface RealtimeChannelsOptions {
  readonly url: string;
  readonly secretKey: string;
  readonly counters: BusCounters;
  readonly warn: (message: string) => void;
  readonly onBroadcast: (topic: string, event: string, payload: unknown) => void;
  /** Called when a topic has been joined, for the first time or again. */
  readonly onJoined: (topic: string) => void;
  /** Called when a topic that was joined is so no more; it is joined again by itself. */
  readonly onLost: (topic: string) => void;
  readonly channelsPerConnection?: number;
}

/** One connection and its topics. */
interface Carrier {
  readonly connection: RealtimeConnection;
  /** Topics that have a channel, those too that are being left. */
  channels: number;
  /** Topics that somebody wants. */
  wanted: number;
}

interface Topic {
  readonly name: string;
  readonly carrier: Carrier;
  channel: RealtimeChannel;
  /** `closed` waits for its next attempt. */
  state: "joining" | "joined" | "leaving" | "closed";
  isWanted: boolean;
  /** Was joined, and ended by the server. */
  wasEnded: boolean;
  joinedAt: number;
  attempts: number;
  retry?: ReturnType<typeof setTimeout>;
}

const PACE = { firstMs: 200, mostMs: 10_000 };
/** A channel that lasted so long had not been thrown out for its haste. */
const STEADY_MS = 10_000;

/**
 * The topics of a bus as channels of Realtime, over as many connections as they need. A channel that the server closes
 * (`phx_close`: over a rate, a restart) is joined anew, which realtime-js does not do, with exponential backoff and
 * jitter; after a loss of connection realtime-js joins its channels itself.
 */
export class RealtimeChannels {
  readonly #options: RealtimeChannelsOptions;
  readonly #perConnection: number;
  readonly #topics = new Map<string, Topic>();
  readonly #carriers = new Set<Carrier>();
  readonly #closing = new Set<Promise<void>>();
  /** Topics to be joined once realtime-js is there. */
  readonly #early = new Set<string>();
  #Client: typeof RealtimeClient | undefined;
  #loading: Promise<void> | undefined;
  #isClosed = false;
  #isOut = false;

  constructor(options: RealtimeChannelsOptions) {
    this.#options = options;
    this.#perConnection = options.channelsPerConnection ?? 100;
  }

  isJoined(name: string): boolean {
    return this.#topics.get(name)?.state === "joined";
  }

  /** Joins a topic, and stays joined whatever happens until `leave`. */
  join(name: string): void {
    if (this.#Client === undefined) {
      this.#early.add(name);
      this.#loading ??= this.#load();
      return;
    }
    const topic = this.#topics.get(name);
    if (topic === undefined) return this.#open(this.#Client, name);
    if (topic.isWanted) return;
    topic.isWanted = true; // It is being left, and is joined again after that: see `#onClosed`.
    topic.carrier.wanted++;
  }

  leave(name: string): void {
    this.#early.delete(name);
    const topic = this.#topics.get(name);
    if (topic === undefined || !topic.isWanted) return;
    const { carrier } = topic;
    topic.isWanted = false;
    carrier.wanted--;
    clearTimeout(topic.retry);
    if (carrier.wanted === 0) return this.#drop(carrier);
    if (topic.state === "leaving") return;
    const hasStatus = topic.state !== "closed";
    topic.state = "leaving";
    carrier.connection.leave(topic.channel);
    if (!hasStatus) this.#onClosed(topic); // Its present channel was not subscribed yet, so nobody tells.
  }

  /** Broadcasts texts over the channel of a topic; false where it is not joined. */
  send(name: string, texts: readonly string[]): boolean {
    const topic = this.#topics.get(name);
    if (topic?.state !== "joined") return false;
    return topic.carrier.connection.send(topic.channel, TEXTS_EVENT, { texts });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#early.clear();
    for (const carrier of this.#carriers) this.#drop(carrier);
    await Promise.all([this.#loading, ...this.#closing]);
  }

  async #load(): Promise<void> {
    try {
      // Loaded here, as an isolate whose bus is another one should not pay for its start.
      this.#Client = (await import("@supabase/supabase-js")).RealtimeClient;
    } catch {
      this.#options.warn("Cannot load supabase-js: nothing is heard from the other isolates");
      return;
    }
    const early = [...this.#early];
    this.#early.clear();
    for (const name of early) this.join(name);
  }

  #open(Client: typeof RealtimeClient, name: string): void {
    const carrier = this.#carrierWithRoom(Client);
    carrier.channels++;
    carrier.wanted++;
    const topic: Topic = {
      name,
      carrier,
      channel: carrier.connection.channel(name),
      state: "joining",
      isWanted: true,
      wasEnded: false,
      joinedAt: 0,
      attempts: 0,
    };
    this.#topics.set(name, topic);
    this.#subscribe(topic);
  }

  #carrierWithRoom(Client: typeof RealtimeClient): Carrier {
    for (const carrier of this.#carriers) if (carrier.channels < this.#perConnection) return carrier;
    const { url, secretKey, counters } = this.#options;
    const connection = new RealtimeConnection(Client, { url, secretKey, onReopen: () => counters.reconnects++ });
    const carrier = { connection, channels: 0, wanted: 0 };
    this.#carriers.add(carrier);
    return carrier;
  }

  #subscribe(topic: Topic): void {
    const { channel, name } = topic;
    topic.state = "joining";
    channel.on("broadcast", { event: "*" }, ({ event, payload }) => this.#options.onBroadcast(name, event, payload));
    channel.subscribe((status, error) => {
      if (topic.channel !== channel || !this.#carriers.has(topic.carrier)) return;
      if (status === "SUBSCRIBED") return this.#onJoined(topic);
      if (status === "CLOSED") return this.#onClosed(topic);
      if (topic.state === "joined") {
        topic.state = "joining";
        this.#options.onLost(name);
      }
      this.#warn(status, error);
    });
  }

  #onJoined(topic: Topic): void {
    if (topic.state === "leaving") return;
    if (topic.wasEnded) this.#options.counters.reconnects++;
    topic.wasEnded = false;
    topic.state = "joined";
    topic.joinedAt = performance.now();
    this.#isOut = false;
    this.#options.onJoined(topic.name);
  }

  /** The channel has been left, or the server has closed it. */
  #onClosed(topic: Topic): void {
    const { name, carrier, state } = topic;
    if (!topic.isWanted) {
      carrier.channels--;
      this.#topics.delete(name);
      return;
    }
    if (performance.now() - topic.joinedAt > STEADY_MS) topic.attempts = 0;
    if (state === "joined") this.#options.onLost(name);
    topic.wasEnded = state !== "leaving";
    topic.state = "closed";
    // At once, though it is joined later: realtime-js ends a connection that has no channel.
    topic.channel = carrier.connection.channel(name);
    const delayMs = topic.wasEnded ? retryDelayMs(++topic.attempts, PACE) : 0;
    topic.retry = setTimeout(() => this.#subscribe(topic), delayMs);
  }

  #drop(carrier: Carrier): void {
    this.#carriers.delete(carrier);
    for (const [name, topic] of this.#topics) {
      if (topic.carrier !== carrier) continue;
      clearTimeout(topic.retry);
      this.#topics.delete(name);
    }
    const closing = carrier.connection.close();
    this.#closing.add(closing);
    closing.finally(() => this.#closing.delete(closing));
  }

  #warn(status: string, error: Error | undefined): void {
    if (this.#isOut || this.#isClosed) return;
    this.#isOut = true;
    const { secretKey, warn } = this.#options;
    const { reason } = (error?.cause ?? {}) as { reason?: unknown };
    // Only an answer of the server's has a reason; what a socket says of itself may quote its address.
    if (typeof reason === "string") warn(`Cannot join Realtime: ${reason.replaceAll(secretKey, "…").slice(0, 200)}`);
    else warn(status === "TIMED_OUT" ? "Realtime does not answer" : "Lost Realtime, connecting again");
  }
}
