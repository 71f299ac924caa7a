import { Pacer, type SendLimits } from "./pacer.ts";

/** What a WebSocket's `send` takes. */
export type SendData = Parameters<WebSocket["send"]>[0];

/**
 * What waits to be sent, in order: while there is no connection, and then until the peer takes it. A peer with limits
 * would close a connection on which all of a long wait came at once.
 */
export class Backlog {
  readonly #waiting: SendData[] = [];
  readonly #limits: SendLimits;
  #pacer: Pacer | undefined;
  #bytes = 0;

  constructor(limits: SendLimits) {
    this.#limits = limits;
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  /** About: those of a text as if it were ASCII. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Puts a frame behind the others, as it is now: what changes later does not change what was sent. */
  push(data: SendData): void {
    this.#bytes += sizeOf(data);
    this.#waiting.push(typeof data === "string" || data instanceof Blob ? data : copyBytes(data));
  }

  /** A connection is there, that was sent nothing yet. */
  begin(now: number): void {
    this.#pacer = new Pacer(this.#limits, now);
  }

  /** Sends what may go now. Gives the milliseconds until more may; 0 where nothing waits. */
  flush(send: (data: SendData) => void, now: number): number {
    while (this.#waiting.length > 0) {
      const [data] = this.#waiting as [SendData];
      // UTF-8 needs at most three bytes for a UTF-16 unit: an estimate that is never too low is enough.
      const waitMs = this.#pacer?.take(typeof data === "string" ? 3 * data.length : sizeOf(data), now) ?? 0;
      if (waitMs > 0) return waitMs;
      this.#waiting.shift();
      this.#bytes -= sizeOf(data);
      send(data);
    }
    return 0;
  }

  clear(): void {
    this.#waiting.length = 0;
    this.#bytes = 0;
  }
}

function sizeOf(data: SendData): number {
  return typeof data === "string" ? data.length : data instanceof Blob ? data.size : data.byteLength;
}

function copyBytes(data: ArrayBufferLike | ArrayBufferView<ArrayBufferLike>): Uint8Array<ArrayBuffer> {
  const view = ArrayBuffer.isView(data)
    ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
    : new Uint8Array(data);
  return new Uint8Array(view);
}
