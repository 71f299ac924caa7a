import type { Position } from "../protocol/chat_client_frames.ts";

/** What to do with an event of a room's log. */
export type Verdict =
  /** It is the next one: hand it on. */
  | "next"
  /** It was handed on before, or is before where this client begins. */
  | "known"
  /** Events before it are missing. */
  | "gap";

/** Where a server let this client into a room. */
export interface Entry {
  /** The end of the log, or where the server begins to send. */
  readonly seq: number;
  readonly epoch: string;
  /** Everything since the position that was asked for follows. */
  readonly resumed: boolean;
}

/**
 * - `kept`: the position stands.
 * - `begun`: this client begins here.
 * - `behind`: events between the position and where the server begins do not come by themselves.
 */
export type Outcome = "kept" | "begun" | "behind";

/**
 * Where this client stands in each room's log: it has handed on every event up to `since` and none after it. Outlives
 * connections, so that the next one goes on where the last one ended; two connections at once may both bring events.
 */
export class Positions {
  readonly #at = new Map<string, { since: number; epoch?: string }>();

  get(room: string): Position | undefined {
    return this.#at.get(room);
  }

  /** The rooms that have a position, with a copy of it. */
  all(): Record<string, Position> {
    return Object.fromEntries([...this.#at].map(([room, position]) => [room, { ...position }]));
  }

  /** Judges an event, and moves on where it is the next. A room that was never entered begins with its first event. */
  take(room: string, seq: number): Verdict {
    const position = this.#at.get(room);
    if (position === undefined) {
      this.#at.set(room, { since: seq });
      return "next";
    }
    if (seq <= position.since) return "known";
    if (seq > position.since + 1) return "gap";
    position.since = seq;
    return "next";
  }

  /** A server let this client into a room. */
  enter(room: string, { seq, epoch, resumed }: Entry): Outcome {
    const position = this.#at.get(room);
    if (position === undefined) {
      this.begin(room, { seq, epoch });
      return "begun";
    }
    if (!resumed && (seq > position.since || (position.epoch ?? epoch) !== epoch)) return "behind";
    position.epoch = epoch;
    return "kept";
  }

  /** This client begins here, wherever it stood before. */
  begin(room: string, { seq, epoch }: { seq: number; epoch: string }): void {
    this.#at.set(room, { since: seq, epoch });
  }

  /** This client is no longer in the room. */
  forget(room: string): void {
    this.#at.delete(room);
  }
}
