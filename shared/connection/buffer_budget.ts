import type { Timer, Timers } from "./timers.ts";

/** A connection, or a queue in front of one, as far as this needs it. */
export interface BufferHolder {
  /** What was sent and not read yet. */
  readonly bufferedBytes: number;
  /** Ends it as one that is read too slowly. */
  dropSlowReader(): void;
}

/** Who holds less is not closed for the sake of the others. */
const LEAST_BYTES = 64 * 1024;
/** It is looked at the buffers after so great a share of the bound was sent: until then they cannot have grown by more. */
const LOOK_AFTER = 1 / 8;
/** Who has not read anything for so long has stalled. */
const STALLED_MS = 2_000;

/**
 * Bounds what all connections of an isolate hold for clients that do not read, and what queues hold in front of them. Over the
 * bound the ones that hold most are closed first.
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
  readonly #queues = new Set<BufferHolder>();
  #unseen = 0;
  #closingBytes = 0;
  /** What each held when it was last looked for stalled ones. */
  #heldBefore = new Map<BufferHolder, number>();
  #looking: Timer | undefined;

  /** Of `maxBytes` for what `holders` gives, which are asked each time, and what is held beside them. */
  constructor(maxBytes: number, holders: () => Iterable<BufferHolder>, timers: Timers) {
    this.#maxBytes = maxBytes;
    this.#holders = holders;
    this.#timers = timers;
  }

  /** What is held for connections that are open. */
  get bytes(): number {
    return sum(this.#holders());
  }

  /** What waits in queues. */
  get queuedBytes(): number {
    return sum(this.#queues);
  }

  /** What is still held for connections that were closed. */
  get closingBytes(): number {
    return this.#closingBytes;
  }

  /** Whether so much is held for connections that were closed that none should be added. */
  get isFull(): boolean {
    return this.#closingBytes > this.#maxBytes;
  }

  /** Counts what a queue holds from now on, until it is told that the queue is `emptied`. */
  filled(queue: BufferHolder): void {
    this.#queues.add(queue);
  }

  /** The queue holds nothing any more. */
  emptied(queue: BufferHolder): void {
    this.#queues.delete(queue);
  }

  /** Counts what is sent, or put into a queue; `bytes` may be too many, never too few. Looks after the buffers now and then. */
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
    const held = [...this.#holders(), ...this.#queues]
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
    if (this.#closingBytes + this.bytes + this.queuedBytes <= this.#maxBytes) return this.#watch();
    for (const holder of [...this.#holders(), ...this.#queues]) {
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

function sum(holders: Iterable<BufferHolder>): number {
  let bytes = 0;
  for (const { bufferedBytes } of holders) bytes += bufferedBytes;
  return bytes;
}
