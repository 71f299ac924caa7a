/** The port that joins isolates: text published on a topic reaches those who subscribed to it, perhaps. */

/** What a bus has done since it was made: shown by `/health`. */
export class BusCounters {
  /** Texts that were to be published. */
  published = 0;
  /** Texts that came for a subscriber here; one's own too. */
  received = 0;
  /** Texts of `published` that were given up: too old, too large, too many, or nobody answered. */
  dropped = 0;
  /** Connections that were open again after a loss, and channels that were joined again after an end. */
  reconnects = 0;
}

/** Ends a subscription: its function is not called again. May be called twice. */
export type Unsubscribe = () => void;

/** What a subscription may be told beside texts. */
export interface SubscribeOptions {
  /**
   * Called when the subscription stands, and again when it stands after a loss: texts that are published from now on
   * arrive as far as the bus carries them, and whatever was published before may be missing.
   */
  readonly onReady?: () => void;
}

/**
 * Promises of every backend: a text reaches a subscriber at most as often as the backend doubles it, in no promised
 * order, and perhaps never; it arrives as it was sent, whatever characters it holds. A publisher hears its own texts as
 * well. After a loss of connection the subscriptions are made again by themselves: what is published after the recovery
 * arrives. What must not be lost is in the store: a bus carries hints.
 */
export interface Bus {
  /** What went through it. */
  readonly counters: BusCounters;
  /** How long to wait for an answer of the other isolates before it counts as lost, in milliseconds; 0: it is there at once. */
  readonly answerMs: number;
  /**
   * Hands `text` to the subscribers of `topic`. Never throws for a bus out of reach: the hint waits for a moment, then it
   * is lost, that is all. After `close` it does nothing.
   */
  publish(topic: string, text: string): void;
  /** Calls `onText` for each text on `topic` until it is ended. One that throws costs the others nothing. */
  subscribe(topic: string, onText: (text: string) => void, options?: SubscribeOptions): Unsubscribe;
  /** Ends all subscriptions, connections and timers. May be called twice. */
  close(): Promise<void>;
}

/** What every backend may be given. */
export interface BusOptions {
  /** Hears, in words without secrets, of an outage, once until it is over; default: one line on `console.warn`. */
  readonly warn?: (message: string) => void;
}
