import type { Unread } from "../store/store.ts";

/** What the news of a connection's marks are given. */
export interface UnreadNewsOptions {
  /** Counts what the user has not read in a room, or in all; `undefined` where he no longer may know. */
  readonly count: (room: string | undefined) => Promise<Unread | undefined>;
  /** Tells the connection, or all of its user's. */
  readonly tell: (count: Unread, room: string | undefined, toAll: boolean) => void;
  /** A count failed: of what waited behind it nothing is told either. */
  readonly failed: (error: unknown) => void;
}

/**
 * What a user has left to read after he marked messages as read: the room's count, then that of all. A count costs the
 * database more than the mark, so there is one at a time for a connection; marks that come meanwhile, and however many
 * they are of one room, are told of together by the next.
 */
export class UnreadNews {
  readonly #options: UnreadNewsOptions;
  /** The rooms that are counted next, `undefined` for all of them, and whether all connections hear of it. */
  readonly #next = new Map<string | undefined, boolean>();
  #isCounting = false;

  constructor(options: UnreadNewsOptions) {
    this.#options = options;
  }

  /** A message of the room was marked; where that was news, all connections of the user hear what is left. */
  marked(room: string, isNews: boolean): void {
    for (const scope of [room, undefined]) {
      const toAll = isNews || this.#next.get(scope) === true;
      this.#next.delete(scope); // So that the count of all comes last.
      this.#next.set(scope, toAll);
    }
    if (!this.#isCounting) void this.#countAll();
  }

  /** Never rejects. */
  async #countAll(): Promise<void> {
    const { count, tell, failed } = this.#options;
    this.#isCounting = true;
    try {
      for (let [next] = this.#next; next !== undefined; [next] = this.#next) {
        const [room, toAll] = next;
        this.#next.delete(room);
        const unread = await count(room);
        if (unread !== undefined) tell(unread, room, toAll);
      }
    } catch (error) {
      this.#next.clear();
      failed(error);
    } finally {
      this.#isCounting = false;
    }
  }
}
