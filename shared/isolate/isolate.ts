import { log } from "../telemetry/log.ts";
import { drainTimes } from "./drain_times.ts";
import { timeLeftMs } from "./time_left_ms.ts";

/** Where an isolate is in its life: it takes connections, it hands them over, it has none left. */
export type IsolateState = "serving" | "draining" | "gone";

/** Why an isolate drains: its age, or what the platform's `beforeunload` says (`cpu`, `memory`, `wall_clock`, …). */
export type DrainReason = string;

/** How long the hand-over may take. */
export interface Drain {
  /** Why it is time to go. */
  readonly reason: DrainReason;
  /** Connections are told to go at random moments inside this window, so that they do not come back all at once. */
  readonly windowMs: number;
  /** How long after its moment a connection that has not gone is closed. */
  readonly graceMs: number;
}

/** What an isolate is told at its start. */
export interface IsolateOptions {
  id: string;
  /** Wall clock that the platform gives an isolate, in milliseconds: 150,000 (free) or 400,000 (paid). Default 150,000. */
  wallClockMs?: number;
  /**
   * The share of the wall clock after which connections are handed over; default 0.8. Well after the half, as an isolate
   * that drains refuses the connections that the platform still sends to it.
   */
  drainAt?: number;
  /** Where it runs, as the platform names it. */
  region?: string | null;
  /** Milliseconds since the isolate's boot; default `performance.now()`, whose origin is just that. */
  ageMs?: () => number;
  /** Where `beforeunload` is dispatched; default the global scope. */
  events?: EventTarget;
  /** Keeps the isolate alive until a promise settles; default the platform's `EdgeRuntime.waitUntil`, where there is one. */
  waitUntil?: (promise: Promise<unknown>) => void;
}

/** Timers take 31 bits: one that is longer would fire at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/**
 * This isolate's life: `serving`, then `draining` from a set share of its wall clock or from `beforeunload`, whichever
 * comes first, then `gone` once its last connection has left. A drain is told once, and again only where it has to be over
 * sooner than was planned: CPU or memory may run out while it goes on.
 */
export class Isolate {
  /** Unique over all isolates. */
  readonly id: string;
  /** Where it runs, as the platform names it. */
  readonly region: string | null;
  /** What the platform gives it, from boot to kill. */
  readonly wallClockMs: number;
  /** Keeps it alive until a promise settles. */
  readonly waitUntil: (promise: Promise<unknown>) => void;
  readonly #ageMs: () => number;
  readonly #drainAtMs: number;
  readonly #events: EventTarget;
  readonly #listeners = new Set<(drain: Drain) => void>();
  readonly #onBeforeUnload: EventListener;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #drain: Drain | undefined;
  /** The age at which the drain is over, as planned. */
  #goneAtMs = Infinity;
  #connections = 0;
  /** Settles what keeps the isolate alive. */
  #vacated: () => void = () => {};

  /** Begins to count; throws a `RangeError` for a time that is none. */
  constructor(options: IsolateOptions) {
    this.id = options.id;
    this.region = options.region ?? null;
    this.wallClockMs = positive("wallClockMs", options.wallClockMs ?? 150_000);
    const share = options.drainAt ?? 0.8;
    if (!(share > 0 && share < 1)) {
      throw new RangeError(`Cannot start as 'drainAt' must be between 0 and 1: current value is ${share}`);
    }
    this.#drainAtMs = this.wallClockMs * share;
    this.#ageMs = options.ageMs ?? (() => performance.now());
    this.#events = options.events ?? globalThis;
    this.waitUntil = options.waitUntil ?? platformWaitUntil;
    this.#onBeforeUnload = (event) =>
      this.drain((event as CustomEvent<{ reason?: string }>).detail?.reason ?? "unload");
    this.#events.addEventListener("beforeunload", this.#onBeforeUnload);
    const drainInTime = () => this.#plan("wall_clock", this.wallClockMs - this.#ageMs());
    this.#timer = setTimeout(drainInTime, Math.min(MAX_TIMER_MS, this.lifetimeMs));
    // A process that has nothing else to do may end: this timer alone must not keep it.
    if (typeof Deno !== "undefined") Deno.unrefTimer(this.#timer);
  }

  /** Where it is in its life. */
  get state(): IsolateState {
    if (this.#drain === undefined) return "serving";
    return this.#connections > 0 ? "draining" : "gone";
  }

  /** Milliseconds since boot. */
  get ageMs(): number {
    return Math.round(this.#ageMs());
  }

  /** Milliseconds until this isolate begins to hand its connections over. */
  get lifetimeMs(): number {
    return this.#drain === undefined ? Math.max(0, Math.round(this.#drainAtMs - this.#ageMs())) : 0;
  }

  /** Begins to hand over in the time that a `beforeunload` with this reason leaves; a second call can only hurry it. */
  drain(reason: DrainReason): void {
    this.#plan(reason, timeLeftMs(reason, { wallClockMs: this.wallClockMs, ageMs: this.#ageMs() }));
  }

  /**
   * Calls `listener` when draining begins, at once where it has begun, and again where it must be over sooner. Gives the
   * function that ends this.
   */
  onDrain(listener: (drain: Drain) => void): () => void {
    if (this.#drain !== undefined) listener(this.#drain);
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Counts a connection and keeps the isolate alive for it, until `release` has been called as often. */
  hold(): void {
    this.#connections++;
    if (this.#connections > 1) return;
    // A fresh promise each time that there is somebody again: the platform counts each native promise once, and one
    // already settled would pin the isolate for ever.
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#vacated = resolve;
    this.waitUntil(promise);
  }

  /** Ends what one call of `hold` began. */
  release(): void {
    this.#connections--;
    if (this.#connections === 0) this.#vacated();
  }

  /** Releases the timer and the listener. May be called twice. */
  dispose(): void {
    clearTimeout(this.#timer);
    this.#events.removeEventListener("beforeunload", this.#onBeforeUnload);
    this.#listeners.clear();
  }

  /** Tells everyone to be gone within `leftMs`, unless they have been told to be gone sooner. */
  #plan(reason: DrainReason, leftMs: number): void {
    const times = drainTimes(leftMs);
    const goneAtMs = this.#ageMs() + times.windowMs + times.graceMs;
    if (goneAtMs >= this.#goneAtMs) return;
    clearTimeout(this.#timer);
    this.#goneAtMs = goneAtMs;
    this.#drain = { reason, ...times };
    for (const listener of [...this.#listeners]) {
      try {
        listener(this.#drain);
      } catch (error) {
        // Uncaught here, in a timer or an event of the platform, it would end the isolate and all its connections.
        log.error("isolate.listener_failed", { error });
      }
    }
  }
}

function platformWaitUntil(promise: Promise<unknown>): void {
  const platform = globalThis as { EdgeRuntime?: { waitUntil?: (promise: Promise<unknown>) => void } };
  platform.EdgeRuntime?.waitUntil?.(promise);
}

function positive(name: string, value: number): number {
  if (!(value > 0 && Number.isFinite(value))) {
    throw new RangeError(`Cannot start as '${name}' must be a positive number: current value is ${value}`);
  }
  return value;
}
