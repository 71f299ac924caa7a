import type { Timer, Timers } from "./timers.ts";

/** A connection, as far as this needs it. */
export interface BufferHolder {
  /** What was sent and its client has not read yet. */
  readonly bufferedBytes: number;
  /** Closes it as one that reads too slowly. */
  dropSlowReader(): void;
}

/** Who holds less is not closed for the sake of the others. */
const LEAST_BYTES = 64 * 1024;
/** It is looked at the buffers after so great a share of the bound was sent: until then they cannot have grown by more. */
const LOOK_AFTER = 1 / 8;
/** Who has not read anything for so long has stalled. */
const STALLED_MS = 2_000;

/**
 * Bounds what all connections of an isolate hold for clients that do not read. Over the bound the ones that hold most are
 * closed first.
 *
 * The runtime frees the buffer of a client that has stalled only when its TCP connection ends, however it was closed
 * before. So such a buffer counts on, apart from the others: while it and they are over the bound, those who have stalled
 * are closed before they hold more; while such buffers alone are, `isFull` is true. Who reads is never closed for what
 * others left behind.
 */
export class BufferBudget {
  readonly #maxBytes: number;
  readonly #holders: () => Iterable<BufferHolder>;
  readonly #timers: Timers;
  #unseen = 0;
  #closingBytes = 0;
  /** What each held when it was last looked for stalled ones. */
  #heldBefore = new Map<BufferHolder, number>();
  #looking: Timer | undefined;

  constructor(maxBytes: number, holders: () => Iterable<BufferHolder>, timers: Timers) {
    this.#maxBytes = maxBytes;
    this.#holders = holders;
    this.#timers = timers;
  }

  /** What is held for connections that are open. */
  get bytes(): number {
    let bytes = 0;
    for (const { bufferedBytes } of this.#holders()) bytes += bufferedBytes;
    return bytes;
  }

  /** What is still held for connections that were closed. */
  get closingBytes(): number {
    return this.#closingBytes;
  }

  /** Whether so much is held for connections that were closed that none should be added. */
  get isFull(): boolean {
    return this.#closingBytes > this.#maxBytes;
  }

  /** Counts what is sent; `bytes` may be too many, never too few. Looks after the buffers now and then. */
  sent(bytes: number): void {
    this.#unseen += bytes;
    if (this.#unseen > this.#maxBytes * LOOK_AFTER) this.#look();
  }

  /**
   * Counts what is held for a connection that is closed while its client has not read all. The function given back is to be
   * told how much that is by now; 0 is the last, and calls `freed`.
   */
  closing(freed: () => void): (bytes: number) => void {
    let before = 0;
    return (bytes) => {
      this.#closingBytes += bytes - before;
      before = bytes;
      if (bytes === 0) freed();
      if (this.#closingBytes > 0) this.#watch();
      else this.#rest();
    };
  }

  #look(): void {
    this.#unseen = 0;
    const held = [...this.#holders()]
      .map((holder) => ({ holder, bytes: holder.bufferedBytes }))
      .sort((a, b) => b.bytes - a.bytes);
    let over = held.reduce((sum, { bytes }) => sum + bytes, 0) - this.#maxBytes;
    for (const { holder, bytes } of held) {
      if (over <= 0 || bytes < LEAST_BYTES) break;
      over -= bytes;
      holder.dropSlowReader();
    }
    this.#watch();
  }

  /** Looks for those who have stalled, for as long as what is closing could be too much with them. */
  #watch(): void {
    if (this.#closingBytes === 0) return;
    this.#looking ??= this.#timers.after(STALLED_MS, this, (budget) => budget.#dropStalled());
  }

  #dropStalled(): void {
    this.#looking = undefined;
    const before = this.#heldBefore;
    this.#heldBefore = new Map();
    if (this.#closingBytes + this.bytes <= this.#maxBytes) return this.#watch();
    for (const holder of [...this.#holders()]) {
      const bytes = holder.bufferedBytes;
      if (bytes < LEAST_BYTES) continue;
      if (bytes >= (before.get(holder) ?? Infinity)) holder.dropSlowReader();
      else this.#heldBefore.set(holder, bytes);
    }
    this.#watch();
  }

  #rest(): void {
    this.#timers.cancel(this.#looking);
    this.#looking = undefined;
    this.#heldBefore.clear();
  }
}
