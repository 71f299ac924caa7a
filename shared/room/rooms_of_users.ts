import type { RoomView, Store } from "../store/store.ts";

/** The rooms that a user is in, as the store had them. */
export interface RoomsOfUser {
  readonly views: readonly RoomView[];
  /** When it was asked, as a moment of `Rooms.now`. */
  readonly asOf: number;
}

interface Asking {
  readonly answer: Promise<RoomsOfUser>;
  /** What those are given who ask meanwhile: it is asked once this answer is here. */
  next?: Promise<RoomsOfUser>;
}

/**
 * Asks the store for a user's rooms, which for one who is in many is a long answer to a short question: one call at a
 * time for each user. Whoever asks while a call is under way shares the next one with all others who do, as an answer
 * that was asked for before may not know of what he has just heard: no answer is older than its question.
 */
export class RoomsOfUsers {
  readonly #store: Pick<Store, "heads">;
  readonly #now: () => number;
  readonly #asking = new Map<string, Asking>();

  /** `now` gives a moment later than every one before. */
  constructor(store: Pick<Store, "heads">, now: () => number) {
    this.#store = store;
    this.#now = now;
  }

  /** The rooms of a user now, or a moment from now. */
  of(userId: string): Promise<RoomsOfUser> {
    const asking = this.#asking.get(userId);
    if (asking === undefined) return this.#ask(userId);
    const ask = () => this.#ask(userId);
    return asking.next ??= asking.answer.then(ask, ask);
  }

  #ask(userId: string): Promise<RoomsOfUser> {
    const asking: Asking = { answer: this.#read(userId) };
    this.#asking.set(userId, asking);
    const over = () => {
      // Else the next call takes this one's place.
      if (asking.next === undefined) this.#asking.delete(userId);
    };
    asking.answer.then(over, over);
    return asking.answer;
  }

  async #read(userId: string): Promise<RoomsOfUser> {
    const asOf = this.#now();
    const { roomsOfUsers } = await this.#store.heads([], [userId]);
    return { views: roomsOfUsers.get(userId) ?? [], asOf };
  }
}
