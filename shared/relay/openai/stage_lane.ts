import type { BufferBudget, BufferHolder } from "../../connection/mod.ts";
import type { EventFrame } from "./event_frame.ts";
import type { Passed, RealtimeEvent } from "./stage.ts";

/** What a stage does in one direction. */
export interface LaneStage {
  wants(type: string): boolean;
  handle(event: RealtimeEvent): Passed | Promise<Passed>;
}

/** Where a lane leads, and its bounds. */
export interface LaneOptions {
  readonly maxQueuedFrames: number;
  readonly maxQueuedBytes: number;
  /** What waits here counts for all of the isolate. */
  readonly buffers?: BufferBudget;
  /** Takes what came through. */
  exit(frame: EventFrame): void;
  /** A stage failed, or what waits for one exceeds the bounds. The lane is closed then. */
  failed(cause: unknown): void;
}

/** What waits exceeds the bounds of a lane. */
export class LaneOverflow extends Error {}

function overflow(): LaneOverflow {
  return new LaneOverflow("More waits for a stage than may");
}

interface Hop {
  readonly stage: LaneStage;
  isBusy: boolean;
  waiting: EventFrame[];
}

/**
 * One direction through the stages of a session: each sees one event at a time and all in order. While one takes its time,
 * what comes behind waits in front of it; what is ahead goes on.
 */
export class StageLane implements BufferHolder {
  readonly #hops: readonly Hop[];
  readonly #options: LaneOptions;
  #inside = 0;
  #waiting = { frames: 0, bytes: 0 };
  #isClosed = false;
  #onIdle: (() => void)[] = [];

  constructor(stages: readonly LaneStage[], options: LaneOptions) {
    this.#hops = stages.map((stage) => ({ stage, isBusy: false, waiting: [] }));
    this.#options = options;
  }

  /** Whether nothing is inside. */
  get isIdle(): boolean {
    return this.#inside === 0;
  }

  /** What waits; about. */
  get bufferedBytes(): number {
    return this.#waiting.bytes;
  }

  dropSlowReader(): void {
    this.#fail(overflow());
  }

  /** Whether a stage wants to see events of this type. */
  wants(type: string): boolean {
    return this.#hops.some(({ stage }) => stage.wants(type));
  }

  /** Takes an event to the stages from number `first` on. */
  enter(frame: EventFrame, first = 0): void {
    for (let at = first; at < this.#hops.length; at++) {
      if (this.#isClosed) return;
      const hop = this.#hops[at]!;
      if (hop.isBusy || hop.waiting.length > 0) return this.#wait(hop, frame);
      if (!hop.stage.wants(frame.type)) continue;
      const passed = this.#handle(hop, at, frame);
      if (passed === undefined) return;
      frame = passed;
    }
    if (!this.#isClosed) this.#options.exit(frame);
  }

  /** Resolves once nothing is inside; `undefined` where that is so now. */
  idle(): Promise<void> | undefined {
    if (this.#isClosed || this.isIdle) return undefined;
    return new Promise((resolve) => this.#onIdle.push(resolve));
  }

  /** Drops what is inside, and what still comes. */
  close(): void {
    this.#isClosed = true;
    for (const hop of this.#hops) hop.waiting = [];
    this.#waiting = { frames: 0, bytes: 0 };
    this.#options.buffers?.emptied(this);
    this.#tellIdle();
  }

  /** What goes on at once: nothing where the stage stopped the event, or takes its time. */
  #handle(hop: Hop, at: number, frame: EventFrame): EventFrame | undefined {
    try {
      const passed = hop.stage.handle(frame.event);
      if (!(passed instanceof Promise)) return passed && frame.replaced(passed);
      hop.isBusy = true;
      this.#inside++;
      passed.then((event) => this.#handled(hop, at, event && frame.replaced(event)), (cause) => this.#fail(cause));
    } catch (cause) {
      this.#fail(cause);
    }
  }

  #handled(hop: Hop, at: number, frame: EventFrame | undefined): void {
    if (this.#isClosed) return;
    if (frame !== undefined) this.enter(frame, at + 1);
    hop.isBusy = false;
    this.#inside--;
    while (!hop.isBusy && hop.waiting.length > 0) {
      const next = hop.waiting.shift()!;
      this.#inside--;
      this.#waiting.bytes -= next.size;
      if (--this.#waiting.frames === 0) this.#options.buffers?.emptied(this);
      const passed = hop.stage.wants(next.type) ? this.#handle(hop, at, next) : next;
      if (passed !== undefined) this.enter(passed, at + 1);
    }
    if (this.isIdle) this.#tellIdle();
  }

  #wait(hop: Hop, frame: EventFrame): void {
    const { maxQueuedFrames, maxQueuedBytes, buffers } = this.#options;
    this.#waiting.frames++;
    this.#waiting.bytes += frame.size;
    if (this.#waiting.frames > maxQueuedFrames || this.#waiting.bytes > maxQueuedBytes) return this.#fail(overflow());
    this.#inside++;
    hop.waiting.push(frame);
    if (this.#waiting.frames === 1) buffers?.filled(this);
    buffers?.sent(frame.size);
  }

  #fail(cause: unknown): void {
    if (this.#isClosed) return;
    this.close();
    this.#options.failed(cause);
  }

  #tellIdle(): void {
    const waiting = this.#onIdle;
    this.#onIdle = [];
    for (const resolve of waiting) resolve();
  }
}
