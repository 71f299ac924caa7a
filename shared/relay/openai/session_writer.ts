import type {
  Claim,
  KeptItem,
  PendingEvent,
  SessionChanges,
  SessionKey,
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
 * The writer of one record, in order: what is added in one go is one save, and while one is under way what comes is
 * collected for the next.
 */
export class SessionWriter {
  readonly #options: SessionWriterOptions;
  readonly #owner = crypto.randomUUID();
  readonly #beganAt = Date.now();
  #state: Partial<SessionState> = {};
  readonly #put = new Map<string, KeptItem>();
  readonly #remove = new Set<string>();
  readonly #pend = new Map<number, PendingEvent>();
  readonly #unpend = new Set<number>();
  /** Of what is collected and of what is under way: resolves once that is stored. */
  #next: PromiseWithResolvers<void> | undefined;
  #current: PromiseWithResolvers<void> | undefined;
  #writing: Promise<void> | undefined;
  #timer: ReturnType<typeof setInterval> | undefined;
  #isClosed = false;

  constructor(options: SessionWriterOptions) {
    this.#options = options;
  }

  /** Becomes the owner, and gives what there is, or why not. Rejects where the store cannot be reached. */
  async open(): Promise<Claim> {
    const { store, key } = this.#options;
    const record = await store.claim(key, this.#owner, this.#beganAt);
    if (typeof record !== "string" && !this.#isClosed) this.#timer = setInterval(() => this.add({}), RENEW_MS);
    return record;
  }

  /** Has changes saved; later ones win. */
  add({ put = [], remove = [], pend = [], unpend = [], ...state }: SessionChanges): void {
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
    for (const pending of pend) this.#pend.set(pending.number, pending);
    // One that was not stored yet need not be.
    for (const number of unpend) if (!this.#pend.delete(number)) this.#unpend.add(number);
    this.#next ??= Promise.withResolvers();
    this.#writing ??= this.#write();
  }

  /** Resolves once all that was added so far is stored; `undefined` where it is. Never resolves where it could not be. */
  saved(): Promise<void> | undefined {
    return (this.#next ?? this.#current)?.promise;
  }

  /** Stores what is left and lets go of the record, or deletes it. Does not throw. */
  async close({ remove = false, told = false }: { readonly remove?: boolean; readonly told?: boolean }): Promise<void> {
    clearInterval(this.#timer);
    if (this.#isClosed) return;
    if (told && !remove) this.add({ told });
    this.#isClosed = true;
    await this.#writing;
    if (!remove) return;
    const { store, key } = this.#options;
    await store.remove(key, this.#owner).catch(() => {}); // It goes by itself after an hour.
  }

  async #write(): Promise<void> {
    await undefined;
    while (this.#next !== undefined) {
      this.#current = this.#next;
      this.#next = undefined;
      if (!await this.#saveOne(this.#takeChanges())) {
        clearInterval(this.#timer);
        this.#isClosed = true;
        return;
      }
      const { resolve } = this.#current;
      this.#current = undefined;
      resolve();
    }
    this.#writing = undefined;
  }

  #takeChanges(): SessionChanges {
    const changes = {
      ...this.#state,
      put: [...this.#put.values()],
      remove: [...this.#remove],
      pend: [...this.#pend.values()],
      unpend: [...this.#unpend],
    };
    this.#state = {};
    for (const collected of [this.#put, this.#remove, this.#pend, this.#unpend]) collected.clear();
    return changes;
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
