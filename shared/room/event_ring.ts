import type { Budgeted, RingBudget } from "./ring_budget.ts";

/**
 * The newest events of a room as encoded frames, so that a client which was away for a moment is served from memory.
 * Bounded in events and in characters, and in those of all rings together; it always holds a run of `seq` without a gap.
 */
export class EventRing implements Budgeted {
  readonly #maxEvents: number;
  readonly #maxChars: number;
  readonly #budget: RingBudget;
  #frames: string[] = [];
  /** The `seq` of the first frame held, or of the one that comes next. */
  #first: number;
  #chars = 0;

  /** An empty ring of a log whose newest event is `head`; what it holds counts in `budget`. */
  constructor(head: number, maxEvents: number, maxChars: number, budget: RingBudget) {
    this.#first = head + 1;
    this.#maxEvents = maxEvents;
    this.#maxChars = maxChars;
    this.#budget = budget;
  }

  /** How many characters it holds. */
  get chars(): number {
    return this.#chars;
  }

  /** Adds the frame of event `seq`; one that does not follow the last begins the run anew. */
  push(seq: number, frame: string): void {
    if (seq !== this.#first + this.#frames.length) this.reset(seq - 1);
    if (this.#frames.length === 0) this.#budget.begin(this);
    this.#frames.push(frame);
    this.#chars += frame.length;
    this.#budget.take(frame.length);
    if (this.#frames.length > 2 * this.#maxEvents || this.#chars > 2 * this.#maxChars) this.#trim();
  }

  /** The frames after `seq`, at most `limit`; `undefined` where the ring does not reach back so far. */
  since(seq: number, limit: number): string[] | undefined {
    if (seq + 1 < this.#first) return undefined;
    const from = seq + 1 - this.#first;
    return this.#frames.slice(from, from + limit);
  }

  /** Forgets everything, and goes on behind it. */
  clear(): void {
    this.reset(this.#first + this.#frames.length - 1);
  }

  /** Forgets everything: the newest event is `head` now. */
  reset(head: number): void {
    this.#budget.end(this, this.#chars);
    this.#frames = [];
    this.#first = head + 1;
    this.#chars = 0;
  }

  /** Cuts to the bounds only once twice as much is held: each frame is moved once on the average, not once a push. */
  #trim(): void {
    const before = this.#chars;
    let drop = Math.max(0, this.#frames.length - this.#maxEvents);
    for (let i = 0; i < drop; i++) this.#chars -= this.#frames[i]!.length;
    while (this.#chars > this.#maxChars && drop < this.#frames.length) this.#chars -= this.#frames[drop++]!.length;
    this.#frames = this.#frames.slice(drop);
    this.#first += drop;
    this.#budget.release(before - this.#chars);
  }
}
