import type { ChatEvents } from "../../../../shared/client/mod.ts";
import { type LogFrame, UnreadCount } from "../../../../shared/react/mod.ts";

/** A room, as the list of rooms shows it. */
export interface RoomEntry {
  readonly id: string;
  readonly unread: number;
}

/** A row of `unread_counts()`. */
export interface CountedRoom {
  readonly room: string;
  readonly count: number;
  readonly as_of: number;
}

/**
 * The rooms of a user with how much is unread in each: the rows that the database gives, kept up to date by what a chat
 * hears, in whatever order the two come. It is a store as `useSyncExternalStore` wants one.
 */
export class RoomEntries {
  readonly #userId: string;
  readonly #read: () => Promise<readonly CountedRoom[] | undefined>;
  readonly #listeners = new Set<() => void>();
  /** Also of rooms that are not in the list yet: what is heard of them counts when they are. */
  readonly #counts = new Map<string, UnreadCount>();
  #rooms: readonly string[] = [];
  #list: readonly RoomEntry[] = [];
  #isWanted = false;
  #loading: Promise<void> | undefined;

  /** `read` gives the rows; `undefined` where that failed. */
  constructor(userId: string, read: () => Promise<readonly CountedRoom[] | undefined>) {
    this.#userId = userId;
    this.#read = read;
  }

  /** The rooms as they are known. The same list until something changes. */
  readonly list = (): readonly RoomEntry[] => this.#list;

  /** Calls `listener` after each change. Gives the function that ends this. */
  readonly subscribe = (listener: () => void): () => void => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Reads the rows: those of a moment after this call. Asked for while they are read, they are read once more. */
  readonly load = (): Promise<void> => {
    this.#isWanted = true;
    return this.#loading ??= this.#loadAll().finally(() => this.#loading = undefined);
  };

  /** The user hears of a room from now on. */
  joined({ room }: { room: string }): void {
    if (!this.#rooms.includes(room)) void this.load();
  }

  /** The user hears no more of a room, or the log of it is another one: events of it were missed, or will be. */
  interrupted({ room }: { room: string }): void {
    this.#counts.get(room)?.restart();
    void this.load();
  }

  /** An event of a room's log. */
  happened(event: LogFrame): void {
    const { room } = event.type === "new_message" ? event.message : event;
    this.joined({ room });
    this.#countOf(room).apply(event, this.#userId);
    this.#changed();
  }

  /** The server has counted. */
  counted({ room, count, as_of }: ChatEvents["unread_count"]): void {
    if (room === undefined) return;
    this.#countOf(room).counted(count, as_of);
    this.#changed();
  }

  /** Ends its timers. */
  close(): void {
    for (const count of this.#counts.values()) count.close();
  }

  async #loadAll(): Promise<void> {
    while (this.#isWanted) {
      this.#isWanted = false;
      const rows = await this.#read();
      if (rows === undefined) continue;
      for (const { room, count, as_of } of rows) this.#countOf(room).counted(Number(count), Number(as_of));
      this.#rooms = rows.map(({ room }) => room);
      this.#changed();
    }
  }

  #countOf(room: string): UnreadCount {
    const count = this.#counts.get(room) ?? new UnreadCount(() => void this.load());
    this.#counts.set(room, count);
    return count;
  }

  #changed(): void {
    this.#list = this.#rooms.map((id) => ({ id, unread: this.#countOf(id).value ?? 0 }));
    for (const listener of [...this.#listeners]) listener();
  }
}
