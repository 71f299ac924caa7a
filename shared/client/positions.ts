import type { Position } from "../protocol/chat_client_frames.ts";

/** What to do with an event of a room's log. */
export type Verdict =
  /** It is the next one: hand it on. */
  | "next"
  /** It was handed on before, or is before where this client begins. */
  | "known"
  /** Events before it are missing. */
  | "gap";

/** What a server said when this client came into a room. */
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
 * - `reset`: the log no longer reaches back to the old position, so this client begins here anew.
 * - `behind`: events between the old position and the new beginning do not come by themselves.
 */
export type Outcome = "kept" | "begun" | "reset" | "behind";

/**
 * Where this client stands in each room's log: it has handed on every event up to `since` and none after it. Outlives
 * connections, so that the next one goes on where the last one ended; two connections at once may both bring events.
 */
export class Positions {
  readonly #at = new Map<string, { since: number; epoch?: string }>();
  /** Rooms whose next entry alone says where to begin: until then nothing of them is handed on. */
  readonly #lost = new Set<string>();

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
    if (this.#lost.has(room)) return "known";
    if (position === undefined) {
      this.#at.set(room, { since: seq });
      return "next";
    }
    if (seq <= position.since) return "known";
    if (seq > position.since + 1) return "gap";
    position.since = seq;
    return "next";
  }

  /** A server let this client into a room; `asked`: it was told the position held here. */
  enter(room: string, { seq, epoch, resumed }: Entry, asked: boolean): Outcome {
    const position = this.#at.get(room);
    this.#lost.delete(room);
    if (position === undefined || (asked && !resumed)) {
      this.#at.set(room, { since: seq, epoch });
      return asked && !resumed ? "reset" : "begun";
    }
    if (resumed) {
      position.epoch = epoch;
      return "kept";
    }
    return seq <= position.since && (position.epoch ?? epoch) === epoch ? "kept" : "behind";
  }

  /** The position means nothing any more: the room begins where it is entered next. */
  lose(room: string): void {
    this.#at.delete(room);
    this.#lost.add(room);
  }

  /** This client is no longer in the room. */
  forget(room: string): void {
    this.#at.delete(room);
    this.#lost.delete(room);
  }
}
