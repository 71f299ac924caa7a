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

/** Frames that wait, in order, with a bound on their number and on their bytes. */
export class FrameQueue {
  readonly #maxFrames: number;
  readonly #maxBytes: number;
  #frames: (FrameData | undefined)[] = [];
  /** Taken frames stay in the array until all are taken or half of it is: shifting each out would cost the square. */
  #taken = 0;
  #bytes = 0;

  constructor(maxFrames: number, maxBytes: number) {
    this.#maxFrames = maxFrames;
    this.#maxBytes = maxBytes;
  }

  get isEmpty(): boolean {
    return this.#taken === this.#frames.length;
  }

  /** Whether there was room. */
  put(data: FrameData): boolean {
    const bytes = frameBytes(data);
    if (this.#frames.length - this.#taken >= this.#maxFrames || this.#bytes + bytes > this.#maxBytes) return false;
    this.#frames.push(data);
    this.#bytes += bytes;
    return true;
  }

  /** The frame that has waited longest; `undefined` where none waits. */
  take(): FrameData | undefined {
    if (this.isEmpty) return undefined;
    const data = this.#frames[this.#taken]!;
    this.#frames[this.#taken++] = undefined;
    this.#bytes -= frameBytes(data);
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
  }
}
