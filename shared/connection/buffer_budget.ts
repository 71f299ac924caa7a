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

/**
 * Bounds what all connections of an isolate hold for clients that do not read. Over the bound the ones that hold most are
 * closed first. The runtime frees the buffer of a client that has stalled only when its TCP connection ends, however it
 * was closed before: so it counts until then, and what is over the bound by it can grow no more, as nobody is left who
 * holds much.
 */
export class BufferBudget {
  readonly #maxBytes: number;
  readonly #holders: () => Iterable<BufferHolder>;
  #unseen = 0;
  #closingBytes = 0;

  constructor(maxBytes: number, holders: () => Iterable<BufferHolder>) {
    this.#maxBytes = maxBytes;
    this.#holders = holders;
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

  /** Counts what is sent; `bytes` may be too many, never too few. Looks after the buffers now and then. */
  sent(bytes: number): void {
    this.#unseen += bytes;
    if (this.#unseen > this.#maxBytes * LOOK_AFTER) this.#look();
  }

  /** A socket is about to be closed by this end. */
  closing(socket: WebSocket): void {
    const bytes = socket.bufferedAmount;
    if (bytes < LEAST_BYTES) return;
    this.#closingBytes += bytes;
    socket.addEventListener("close", () => this.#closingBytes -= bytes, { once: true });
  }

  #look(): void {
    this.#unseen = 0;
    const held = [...this.#holders()].map((holder) => ({ holder, bytes: holder.bufferedBytes }));
    let over = held.reduce((sum, { bytes }) => sum + bytes, this.#closingBytes) - this.#maxBytes;
    if (over <= 0) return;
    const most = held.filter(({ bytes }) => bytes >= LEAST_BYTES).sort((a, b) => b.bytes - a.bytes);
    for (const { holder, bytes } of most) {
      if (over <= 0) return;
      over -= bytes;
      holder.dropSlowReader();
    }
  }
}
