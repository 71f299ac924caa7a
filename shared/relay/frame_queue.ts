import { utf8Length } from "../connection/utf8_length.ts";

/** A frame as sockets take and give it. */
export type FrameData = string | ArrayBuffer;

/** Whether a frame holds more than `maxBytes`; text is measured only where its length leaves that open. */
export function exceedsBytes(data: FrameData, maxBytes: number): boolean {
  if (typeof data !== "string") return data.byteLength > maxBytes;
  return data.length > maxBytes || (data.length * 3 > maxBytes && utf8Length(data) > maxBytes);
}

/** Frames that wait for an upstream to open, in order, with a bound on their number and on their bytes. */
export class FrameQueue {
  readonly #maxFrames: number;
  readonly #maxBytes: number;
  #frames: FrameData[] = [];
  #bytes = 0;

  constructor(maxFrames: number, maxBytes: number) {
    this.#maxFrames = maxFrames;
    this.#maxBytes = maxBytes;
  }

  /** Whether there was room. */
  put(data: FrameData): boolean {
    const bytes = typeof data === "string" ? utf8Length(data) : data.byteLength;
    if (this.#frames.length >= this.#maxFrames || this.#bytes + bytes > this.#maxBytes) return false;
    this.#frames.push(data);
    this.#bytes += bytes;
    return true;
  }

  /** All that waits, in order; the queue is empty then. */
  takeAll(): readonly FrameData[] {
    const frames = this.#frames;
    this.#frames = [];
    this.#bytes = 0;
    return frames;
  }
}
