/**
 * Collects frames that become deliverable together into one batch frame, for a send costs a system call and little
 * else. After a quiet spell a frame goes out in the turn of the event loop in which it came, with what came beside it;
 * under load the window opens and frames wait for at most its length.
 */
export class BatchWindow {
  readonly #windowMs: number;
  readonly #flush: (frame: string) => void;
  readonly #now: () => number;
  #frames: string[] = [];
  #flushedAt = -Infinity;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #scheduled = false;

  constructor(windowMs: number, flush: (frame: string) => void, now: () => number = Date.now) {
    this.#windowMs = windowMs;
    this.#flush = flush;
    this.#now = now;
  }

  /** Adds an encoded frame: it is flushed with its neighbours, in order. */
  add(frame: string): void {
    this.#frames.push(frame);
    if (this.#scheduled) return;
    this.#scheduled = true;
    const waitMs = this.#flushedAt + this.#windowMs - this.#now();
    if (waitMs <= 0) queueMicrotask(() => this.flush());
    // A clock that was set back must not hold frames for as long.
    else this.#timer = setTimeout(() => this.flush(), Math.min(waitMs, this.#windowMs));
  }

  /** Flushes what waits, at once. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#scheduled = false;
    if (this.#frames.length === 0) return;
    const frames = this.#frames;
    this.#frames = [];
    this.#flushedAt = this.#now();
    this.#flush(batchOf(frames));
  }

  /** Drops what waits. */
  close(): void {
    clearTimeout(this.#timer);
    this.#frames = [];
    this.#scheduled = false;
  }
}

/** One frame for several encoded ones: a `batch`, or the frame itself where it is alone. */
export function batchOf(frames: readonly string[]): string {
  return frames.length === 1 ? frames[0]! : `{"type":"batch","events":[${frames.join(",")}]}`;
}
