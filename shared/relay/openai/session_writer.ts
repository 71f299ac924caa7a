import type {
  KeptItem,
  SessionChanges,
  SessionKey,
  SessionRecord,
  SessionState,
  SessionStore,
} from "./session_store.ts";

/** Whose record is written, and who hears of what goes wrong. */
export interface SessionWriterOptions {
  readonly store: SessionStore;
  readonly key: SessionKey;
  /** Another connection owns the record now, or it was deleted. Nothing is written any more. */
  onLost(): void;
  /** The store could not be reached, for some time and several tries. */
  onUnavailable(cause: unknown): void;
}

/** How often the record is renewed, so that it is kept, and so that an owner without news hears of the next one. */
const RENEW_MS = 20_000;
const RETRY_MS = [100, 400, 1_500];

/**
 * The writer of one record, in order: while one save is under way what comes is collected for the next.
 */
export class SessionWriter {
  readonly #options: SessionWriterOptions;
  readonly #owner = crypto.randomUUID();
  #state: Partial<SessionState> = {};
  #put = new Map<string, KeptItem>();
  #remove = new Set<string>();
  #isDue = false;
  /** What is under way, and whether it came to its end. */
  #saving: Promise<boolean> | undefined;
  #timer: ReturnType<typeof setInterval> | undefined;
  #isClosed = false;

  constructor(options: SessionWriterOptions) {
    this.#options = options;
  }

  /** Becomes the owner, and gives what there is. Rejects where the store cannot be reached. */
  async open(): Promise<SessionRecord> {
    const { store, key } = this.#options;
    const record = await store.claim(key, this.#owner);
    if (!this.#isClosed) this.#timer = setInterval(() => this.add({}), RENEW_MS);
    return record;
  }

  /** Has changes saved; later ones win. */
  add({ put = [], remove = [], ...state }: SessionChanges): void {
    if (this.#isClosed) return;
    Object.assign(this.#state, state);
    for (const item of put) {
      this.#put.set(item.id, item);
      this.#remove.delete(item.id);
    }
    for (const id of remove) {
      this.#put.delete(id);
      this.#remove.add(id);
    }
    this.#isDue = true;
    this.#saving ??= this.#save();
  }

  /** Resolves once all that was added is stored; `undefined` where it is. Never resolves where it could not be. */
  saved(): Promise<void> | undefined {
    return this.#saving?.then((isSaved) => isSaved ? undefined : new Promise(() => {}));
  }

  /** Stores what is left and lets go of the record, or deletes it. Does not throw. */
  async close({ remove = false, told = false }: { readonly remove?: boolean; readonly told?: boolean }): Promise<void> {
    clearInterval(this.#timer);
    if (this.#isClosed) return;
    if (told && !remove) this.add({ told });
    this.#isClosed = true;
    await this.#saving;
    if (!remove) return;
    const { store, key } = this.#options;
    await store.remove(key, this.#owner).catch(() => {}); // It goes by itself after an hour.
  }

  async #save(): Promise<boolean> {
    while (this.#isDue) {
      const changes = { ...this.#state, put: [...this.#put.values()], remove: [...this.#remove] };
      this.#state = {};
      this.#put = new Map();
      this.#remove = new Set();
      this.#isDue = false;
      if (await this.#saveOne(changes)) continue;
      clearInterval(this.#timer);
      this.#isClosed = true;
      return false;
    }
    this.#saving = undefined;
    return true;
  }

  /** Whether the record is still this one's; the same save may be made twice. */
  async #saveOne(changes: SessionChanges): Promise<boolean> {
    const { store, key, onLost, onUnavailable } = this.#options;
    for (let tries = 0;; tries++) {
      try {
        const isOwned = await store.save(key, this.#owner, changes);
        if (!isOwned) onLost();
        return isOwned;
      } catch (cause) {
        const delay = RETRY_MS[tries];
        if (delay === undefined) {
          onUnavailable(cause);
          return false;
        }
        await new Promise((resolve) => setTimeout(resolve, delay));
      }
    }
  }
}
