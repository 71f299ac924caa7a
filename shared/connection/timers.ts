/** A timer that `Timers` gave. */
export interface Timer {
  /** When it is due, on the clock of its `Timers`. */
  readonly at: number;
}

interface Entry extends Timer {
  /** Timers for the same moment come in the order in which they were set. */
  readonly order: number;
  readonly owner: unknown;
  readonly action: (owner: unknown) => void;
  /** Its place in the heap; -1 where it is not in it. */
  index: number;
}

/** The runtime's timers take 31 bits, and a longer one fires at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/**
 * Any number of timers that share one of the runtime's, which costs 700 bytes each on Deno 2.9.6. They are due when the
 * runtime's own would be, in the same order, and may be longer. What a timer does is a function of its owner, so that one
 * function serves all owners. An action that throws does so into the runtime, as with a timer of its own, and the others
 * come all the same. While none is set, nothing here keeps a process alive.
 */
export class Timers {
  readonly #now: () => number;
  /** A binary heap: none is due before the one at half its place. */
  readonly #heap: Entry[] = [];
  #set = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** When the runtime's timer is due: no later than the first of those here. */
  #wakesAt = Infinity;

  /** `now` is a clock in milliseconds that only goes forward. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Its clock, in milliseconds. */
  get now(): number {
    return this.#now();
  }

  /** How many are set. */
  get count(): number {
    return this.#heap.length;
  }

  /** Calls `action` with `owner` after so many milliseconds, once; never before this returns. */
  after<Owner>(delayMs: number, owner: Owner, action: (owner: Owner) => void): Timer {
    const entry: Entry = {
      at: this.#now() + Math.max(0, delayMs),
      order: this.#set++,
      owner,
      action: action as (owner: unknown) => void,
      index: this.#heap.length,
    };
    this.#heap.push(entry);
    this.#raise(entry);
    this.#wake();
    return entry;
  }

  /**
   * The same at the next moment that is a multiple of `periodMs` on the clock: all who wait by the same period cost one
   * turn between them.
   */
  onBeat<Owner>(periodMs: number, owner: Owner, action: (owner: Owner) => void): Timer {
    return this.after(periodMs - this.#now() % periodMs, owner, action);
  }

  /** Ends a timer; one that was due already, or was never set, changes nothing. */
  cancel(timer: Timer | undefined): void {
    if (timer === undefined) return;
    this.#remove(timer as Entry);
    // Else the runtime's timer stays: it finds nothing to do, which costs less than another for each that is cancelled.
    if (this.#heap.length === 0) this.#rest();
  }

  /** Has the runtime call by the time the first is due. */
  #wake(): void {
    const first = this.#heap[0];
    if (first === undefined || first.at >= this.#wakesAt) return;
    clearTimeout(this.#timer);
    const now = this.#now();
    const delayMs = Math.min(MAX_TIMER_MS, Math.ceil(Math.max(0, first.at - now)));
    this.#wakesAt = Math.min(first.at, now + MAX_TIMER_MS);
    this.#timer = setTimeout(() => this.#run(), delayMs);
  }

  #rest(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#wakesAt = Infinity;
  }

  #run(): void {
    // The runtime may call a fraction of a millisecond too early.
    const now = Math.max(this.#now(), this.#wakesAt);
    const next = this.#set;
    this.#rest();
    try {
      // What is set meanwhile waits for the next turn, so that a timer which sets itself anew cannot hold the isolate.
      for (let entry = this.#heap[0]; entry && entry.at <= now && entry.order < next; entry = this.#heap[0]) {
        this.#remove(entry);
        entry.action(entry.owner);
      }
    } finally {
      this.#wake();
    }
  }

  #remove(entry: Entry): void {
    const { index } = entry;
    if (index === -1) return;
    entry.index = -1;
    const last = this.#heap.pop()!;
    if (last === entry) return;
    this.#put(last, index);
    this.#raise(last);
    this.#lower(last);
  }

  #raise(entry: Entry): void {
    while (entry.index > 0) {
      const parent = this.#heap[(entry.index - 1) >> 1]!;
      if (isBefore(parent, entry)) return;
      this.#swap(parent, entry);
    }
  }

  #lower(entry: Entry): void {
    for (;;) {
      const left = this.#heap[2 * entry.index + 1];
      const right = this.#heap[2 * entry.index + 2];
      const child = left !== undefined && right !== undefined && isBefore(right, left) ? right : left;
      if (child === undefined || isBefore(entry, child)) return;
      this.#swap(entry, child);
    }
  }

  #swap(a: Entry, b: Entry): void {
    const { index } = a;
    this.#put(a, b.index);
    this.#put(b, index);
  }

  #put(entry: Entry, index: number): void {
    this.#heap[index] = entry;
    entry.index = index;
  }
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
