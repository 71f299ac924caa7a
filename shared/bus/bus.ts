/** The port that joins isolates: text published on a topic reaches those who subscribed to it, perhaps. */

/** Ends a subscription. May be called twice. */
export type Unsubscribe = () => void;

/**
 * Promises of every backend: a text reaches a subscriber at most as often as the backend doubles it, in no promised
 * order, and perhaps never; a publisher hears its own texts as well. What must not be lost is in the store: a bus
 * carries hints.
 */
export interface Bus {
  /** Hands `text` to the subscribers of `topic`. Never throws for a bus out of reach: the hint is lost, that is all. */
  publish(topic: string, text: string): void;
  /** Calls `onText` for each text on `topic` until it is ended. */
  subscribe(topic: string, onText: (text: string) => void): Unsubscribe;
  /** Ends all subscriptions and the connection. May be called twice. */
  close(): Promise<void>;
}
