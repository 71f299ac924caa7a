import { CheckPace } from "./check_pace.ts";

/** What the checks of an isolate are given. */
export interface HeadChecksOptions {
  /** Compares all that is here; gives whether nothing had been missed. */
  readonly checkAll: () => Promise<boolean>;
  /** Compares some rooms. */
  readonly checkRooms: (rooms: readonly string[]) => Promise<unknown>;
  /** Whether there is anyone here to check for. */
  readonly isNeeded: () => boolean;
  /** How much the bus has lost so far, as it knows. */
  readonly busFaults: () => number;
  readonly onError: (error: unknown) => void;
  /** How often all is compared, in milliseconds: see `CheckPace`. */
  readonly intervalMs: number;
}

/** After a loss all isolates come back at about the same time: the next check is that far off, and up to as far again. */
const AFTER_LOSS_MS = 250;
/** Rooms that are opened together are subscribed to at about the same time. */
const GATHER_MS = 10;
/** Rooms, and users, that are compared in one call. */
export const MOST_AT_ONCE = 1_000;

/**
 * When heads are compared with the store's. Of everything: every few seconds for as long as there is anyone here, and
 * sooner where something may have been lost; of single rooms: once their channels stand. Of each there is one call at a
 * time and one timer, whatever a bus brings and however often it comes and goes: what is asked for meanwhile is done
 * after, once for all, and nothing that is asked for puts off what is due sooner.
 */
export class HeadChecks {
  readonly #options: HeadChecksOptions;
  readonly #pace: CheckPace;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** When the timer ends, by the clock that is not set. */
  #dueAt = Infinity;
  #isChecking = false;
  /** How soon another check is wanted after the one that is under way. */
  #nextMs = Infinity;
  #busFaults = 0;
  readonly #rooms = new Set<string>();
  #gathering: ReturnType<typeof setTimeout> | undefined;
  #isCheckingRooms = false;
  #closed = false;

  constructor(options: HeadChecksOptions) {
    this.#options = options;
    this.#pace = new CheckPace(options.intervalMs);
  }

  /** Somebody is here: has all checked every few seconds from now on. */
  start(): void {
    if (this.#timer === undefined && !this.#isChecking) this.#schedule(this.#pace.delayMs);
  }

  /** The bus is back after a loss: what it did not carry meanwhile is looked for soon, once for all rooms. */
  afterLoss(): void {
    if (this.#timer === undefined && !this.#isChecking) return;
    this.#pace.checked(false);
    this.#schedule(AFTER_LOSS_MS * (1 + Math.random()));
  }

  /** Has all checked at once, or as soon as the check is over that is under way. */
  now(): void {
    this.#schedule(0);
  }

  /** Has a room checked, with those that are named in the same moment or while a call is under way. */
  roomSoon(id: string): void {
    this.#rooms.add(id);
    this.#gather();
  }

  /** Ends all timers. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#gathering);
    this.#rooms.clear();
  }

  #schedule(delayMs: number): void {
    if (this.#closed) return;
    if (this.#isChecking) {
      this.#nextMs = Math.min(this.#nextMs, delayMs);
      return;
    }
    const dueAt = performance.now() + delayMs;
    if (this.#timer !== undefined && this.#dueAt <= dueAt) return;
    clearTimeout(this.#timer);
    this.#dueAt = dueAt;
    this.#timer = setTimeout(() => void this.#check(), delayMs);
  }

  async #check(): Promise<void> {
    const { checkAll, isNeeded, busFaults, onError } = this.#options;
    this.#timer = undefined;
    this.#isChecking = true;
    const faults = busFaults();
    const isSteady = faults === this.#busFaults;
    this.#busFaults = faults;
    const isClean = await checkAll().catch(onError);
    this.#pace.checked(isSteady && isClean === true);
    this.#isChecking = false;
    const nextMs = this.#nextMs;
    this.#nextMs = Infinity;
    if (isNeeded()) this.#schedule(Math.min(nextMs, this.#pace.delayMs));
  }

  #gather(): void {
    if (this.#rooms.size === 0 || this.#isCheckingRooms || this.#closed) return;
    this.#gathering ??= setTimeout(() => void this.#checkRooms(), GATHER_MS);
  }

  async #checkRooms(): Promise<void> {
    this.#gathering = undefined;
    const rooms = this.#rooms.values().take(MOST_AT_ONCE).toArray();
    for (const id of rooms) this.#rooms.delete(id);
    this.#isCheckingRooms = true;
    await this.#options.checkRooms(rooms).catch(this.#options.onError);
    this.#isCheckingRooms = false;
    this.#gather();
  }
}
