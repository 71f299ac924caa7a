import type { BufferBudget, BufferHolder } from "../connection/mod.ts";
import { utf8Length } from "../connection/utf8_length.ts";

/** A frame as sockets take and give it. */
export type FrameData = string | ArrayBuffer;

/** The bytes of a frame's payload. */
function frameBytes(data: FrameData): number {
  return typeof data === "string" ? utf8Length(data) : data.byteLength;
}

/** Whether a frame holds more than `maxBytes`; text is measured only where its length leaves that open. */
export function exceedsBytes(data: FrameData, maxBytes: number): boolean {
  if (typeof data !== "string") return data.byteLength > maxBytes;
  return data.length > maxBytes || (data.length * 3 > maxBytes && utf8Length(data) > maxBytes);
}

/** The bytes of memory that a frame takes: text that is not all ASCII may have two for each character. */
function heldBytes(data: FrameData, bytes: number): number {
  return typeof data === "string" && data.length < bytes ? 2 * data.length : bytes;
}

/** The part that a queue has in what an isolate may hold. */
export interface Share {
  /** Shared by all. */
  readonly buffers: BufferBudget;
  /** All hold too much, and this queue the most of it: what it belongs to has to end, and to clear it. */
  overflows(): void;
}

/** Frames that wait, in order, with a bound on their number and on their bytes, and a share of what all may hold. */
export class FrameQueue implements BufferHolder {
  readonly #maxFrames: number;
  readonly #maxBytes: number;
  readonly #share: Share | undefined;
  #frames: (FrameData | undefined)[] = [];
  /** Taken frames stay in the array until all are taken or half of it is: shifting each out would cost the square. */
  #taken = 0;
  #bytes = 0;
  #heldBytes = 0;

  constructor(maxFrames: number, maxBytes: number, share?: Share) {
    this.#maxFrames = maxFrames;
    this.#maxBytes = maxBytes;
    this.#share = share;
  }

  /** What its frames take of memory. */
  get bufferedBytes(): number {
    return this.#heldBytes;
  }

  dropSlowReader(): void {
    // What it belongs to clears it when it hears of its end: it is not to be counted, and ended, again until then.
    this.#share?.buffers.emptied(this);
    this.#share?.overflows();
  }

  get isEmpty(): boolean {
    return this.#taken === this.#frames.length;
  }

  /** Whether there was room for it in this queue. Where there is none in all, those that hold most are told, maybe this. */
  put(data: FrameData): boolean {
    const bytes = frameBytes(data);
    if (this.#frames.length - this.#taken >= this.#maxFrames || this.#bytes + bytes > this.#maxBytes) return false;
    const held = heldBytes(data, bytes);
    this.#bytes += bytes;
    this.#heldBytes += held;
    const isFirst = this.#frames.push(data) === 1;
    if (this.#share === undefined) return true;
    if (isFirst) this.#share.buffers.filled(this);
    this.#share.buffers.sent(held);
    return true;
  }

  /** The frame that has waited longest; `undefined` where none waits. */
  take(): FrameData | undefined {
    if (this.isEmpty) return undefined;
    const data = this.#frames[this.#taken]!;
    this.#frames[this.#taken++] = undefined;
    const bytes = frameBytes(data);
    this.#bytes -= bytes;
    this.#heldBytes -= heldBytes(data, bytes);
    if (this.isEmpty) this.clear();
    else if (this.#taken >= 1_024 && this.#taken * 2 > this.#frames.length) {
      this.#frames = this.#frames.slice(this.#taken);
      this.#taken = 0;
    }
    return data;
  }

  clear(): void {
    this.#frames = [];
    this.#taken = 0;
    this.#bytes = 0;
    this.#heldBytes = 0;
    this.#share?.buffers.emptied(this);
  }
}
