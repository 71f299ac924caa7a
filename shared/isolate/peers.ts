import { gauge, Histogram, histogram, type MetricFamily } from "../telemetry/metrics.ts";

/** What isolates hear each other over: a bus, as far as this needs it. */
export interface Broadcast {
  /** How long to wait for an answer, in milliseconds. */
  readonly answerMs: number;
  publish(topic: string, text: string): void;
  /** `onReady` is called when texts that are published from then on arrive, and again after each loss. */
  subscribe(topic: string, onText: (text: string) => void, options?: { onReady?: () => void }): () => void;
}

/** What `Peers` is given. */
export interface PeersOptions {
  readonly isolateId: string;
  readonly broadcast: Broadcast;
  /** How often this isolate says that it lives, in milliseconds; default 5,000. */
  readonly beatMs?: number;
  /** Milliseconds of a clock that only goes forward; default `performance.now()`. */
  readonly now?: () => number;
}

/** What beats carry for somebody else. */
export interface Notes {
  /** What goes along with the beat that comes now: one line; `undefined`: nothing. */
  readonly take: () => string | undefined;
  /** Hears what came along with another's. */
  readonly onNote: (isolateId: string, note: string) => void;
}

const TOPIC = "isolates";
/** An isolate that misses so many beats is gone. */
const MISSED_BEATS = 3;
/** Most of those that fell silent are dead, and nobody will hear of them again. */
const MAX_SILENT = 100;

/**
 * The other isolates of this function, as far as they are heard of. Each says hello when it comes, which the others
 * answer; that it lives in every beat; and goodbye when it stops. One that was heard of and misses three beats is gone,
 * and what it held is to be given up then; where it had only been silent, it returns.
 */
export class Peers {
  readonly #isolateId: string;
  readonly #broadcast: Broadcast;
  readonly #beatMs: number;
  readonly #now: () => number;
  readonly #heardAt = new Map<string, number>();
  readonly #goneListeners = new Set<(isolateId: string) => void>();
  readonly #beatListeners = new Set<() => void>();
  readonly #startListeners = new Set<() => void>();
  readonly #returnListeners = new Set<(isolateId: string) => void>();
  readonly #delays = new Histogram();
  #notes: Notes | undefined;
  /** Isolates that are gone without a goodbye. */
  readonly #silent = new Set<string>();
  /** When everyone who is there has answered the first hello. */
  #knownAt = Infinity;
  /** Who needs the beats now. */
  readonly #holders = new Set<symbol>();
  #timer: ReturnType<typeof setInterval> | undefined;
  #unsubscribe: (() => void) | undefined;

  constructor({ isolateId, broadcast, beatMs = 5_000, now = () => performance.now() }: PeersOptions) {
    if (!(beatMs > 0)) throw new RangeError(`Cannot watch peers as 'beatMs' must be > 0: current value is ${beatMs}`);
    this.#isolateId = isolateId;
    this.#broadcast = broadcast;
    this.#beatMs = beatMs;
    this.#now = now;
  }

  /**
   * Beats and listens until the function that it gives is called: until all are, where several need it. The last one
   * says goodbye. Each may be called twice.
   */
  start(): () => void {
    const holder = Symbol();
    this.#holders.add(holder);
    if (this.#timer === undefined) this.#begin();
    return () => {
      if (this.#holders.delete(holder) && this.#holders.size === 0) this.#stop();
    };
  }

  #begin(): void {
    this.#timer = setInterval(() => this.#beat(), this.#beatMs);
    this.#unsubscribe = this.#broadcast.subscribe(TOPIC, (text) => this.#hear(text), {
      onReady: () => {
        this.#say("hello");
        this.#knownAt = Math.min(this.#knownAt, this.#now() + this.#broadcast.answerMs);
      },
    });
    for (const listener of this.#startListeners) listener();
  }

  #stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#say("bye");
    this.#unsubscribe?.();
    this.#heardAt.clear();
    this.#silent.clear();
    this.#knownAt = Infinity;
  }

  /** The isolates that are alive; `undefined` until those that are there have had the time to say so. */
  get others(): readonly string[] | undefined {
    return this.#now() >= this.#knownAt ? [...this.#heardAt.keys()] : undefined;
  }

  /**
   * What `/metrics` shows of them. A delay is what lies between the clocks of two isolates when one hears the other's
   * beat: on one machine that of the bus, on two of them only as exact as their clocks agree.
   */
  metrics(): MetricFamily[] {
    return [
      gauge("edge_sockets_peers", "Other isolates of this function that are heard.", this.#heardAt.size),
      histogram("edge_sockets_bus_delay_seconds", "How long beats of other isolates were on the bus.", this.#delays),
    ];
  }

  /** Takes anything heard from an isolate as a sign of its life. */
  heard(isolateId: string): void {
    if (isolateId === this.#isolateId || this.#timer === undefined) return;
    this.#heardAt.set(isolateId, this.#now());
    if (this.#silent.delete(isolateId)) { for (const listener of this.#returnListeners) listener(isolateId); }
  }

  /** Calls `listener` when an isolate is gone. Gives the function that ends this. */
  onGone(listener: (isolateId: string) => void): () => void {
    this.#goneListeners.add(listener);
    return () => this.#goneListeners.delete(listener);
  }

  /** Calls `listener` when an isolate that seemed to be gone is heard again. Gives the function that ends this. */
  onReturn(listener: (isolateId: string) => void): () => void {
    this.#returnListeners.add(listener);
    return () => this.#returnListeners.delete(listener);
  }

  /** Calls `listener` whenever this isolate begins to beat, and at once where it does already. Gives the function that ends this. */
  onStart(listener: () => void): () => void {
    this.#startListeners.add(listener);
    if (this.#timer !== undefined) listener();
    return () => this.#startListeners.delete(listener);
  }

  /** Lets beats carry notes: as often as beats come, they cost a bus that counts messages nothing. */
  carry(notes: Notes): void {
    this.#notes = notes;
  }

  /** Calls `listener` with every beat of this isolate. Gives the function that ends this. */
  onBeat(listener: () => void): () => void {
    this.#beatListeners.add(listener);
    return () => this.#beatListeners.delete(listener);
  }

  #beat(): void {
    this.#say("beat", this.#notes?.take());
    const oldest = this.#now() - MISSED_BEATS * this.#beatMs;
    for (const [isolateId, heardAt] of this.#heardAt) {
      if (heardAt >= oldest) continue;
      this.#silent.add(isolateId);
      if (this.#silent.size > MAX_SILENT) this.#silent.delete(this.#silent.values().next().value!);
      this.#gone(isolateId);
    }
    for (const listener of this.#beatListeners) listener();
  }

  #say(word: "hello" | "beat" | "bye", note?: string): void {
    const text = `${this.#isolateId} ${word} ${Date.now()}`;
    this.#broadcast.publish(TOPIC, note === undefined ? text : `${text} ${note}`);
  }

  #hear(text: string): void {
    const [isolateId = "", word, sentAt] = text.split(" ", 3);
    if (isolateId === this.#isolateId) return;
    const delayMs = Date.now() - Number(sentAt);
    if (word === "beat" && Number.isFinite(delayMs)) this.#delays.observe(Math.max(0, delayMs) / 1_000);
    if (word === "hello") this.#say("beat");
    if (word === "hello" || word === "beat") this.heard(isolateId);
    const noteAt = isolateId.length + "beat".length + (sentAt?.length ?? 0) + 3;
    if (word === "beat" && text.length > noteAt) this.#notes?.onNote(isolateId, text.slice(noteAt));
    if (word !== "bye") return;
    this.#silent.delete(isolateId);
    this.#gone(isolateId);
  }

  #gone(isolateId: string): void {
    this.#heardAt.delete(isolateId);
    for (const listener of this.#goneListeners) listener(isolateId);
  }
}
