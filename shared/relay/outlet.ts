import { type FrameData, FrameQueue, type Share } from "./frame_queue.ts";

/**
 * A side that takes frames, as far as it can be told whether they leave.
 *
 * What a socket was given the runtime holds until the peer has read it, even after the socket was closed and forgotten; a
 * peer that never reads would keep it for as long as it keeps the connection. So a sink takes little at a time.
 */
export interface Sink {
  /** Whether it takes another frame now. Where it does not, it calls `resume` of its outlet once it may. */
  isReady(): boolean;
  send(data: FrameData): void;
}

/** The bounds of an outlet. */
export interface OutletLimits {
  readonly maxQueuedFrames: number;
  readonly maxQueuedBytes: number;
}

/** The way to one side: frames go out in order, at once where the side is ready, else from a bounded queue. */
export class Outlet {
  readonly #queue: FrameQueue;
  readonly #sink: Sink;
  #drained: (() => void) | undefined;

  constructor(sink: Sink, { maxQueuedFrames, maxQueuedBytes }: OutletLimits, share?: Share) {
    this.#sink = sink;
    this.#queue = new FrameQueue(maxQueuedFrames, maxQueuedBytes, share);
  }

  /** Whether nothing waits. */
  get isEmpty(): boolean {
    return this.#queue.isEmpty;
  }

  /** Whether the frame was sent, or waits; `false` where there was no room for it. */
  push(data: FrameData): boolean {
    if (!this.#queue.isEmpty || !this.#sink.isReady()) return this.#queue.put(data);
    this.#sink.send(data);
    return true;
  }

  /** Sends what waits, as far as the side takes it. */
  resume(): void {
    while (!this.#queue.isEmpty && this.#sink.isReady()) this.#sink.send(this.#queue.take()!);
    if (this.#queue.isEmpty) this.#tellDrained();
  }

  /** Calls `drained` once nothing waits any more, at once where nothing does. */
  end(drained: () => void): void {
    this.#drained = drained;
    if (this.#queue.isEmpty) this.#tellDrained();
  }

  /** Drops what waits; whoever waits for it to leave is not told. */
  clear(): void {
    this.#drained = undefined;
    this.#queue.clear();
  }

  #tellDrained(): void {
    const drained = this.#drained;
    this.#drained = undefined;
    drained?.();
  }
}
