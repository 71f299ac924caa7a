/** What isolates hear each other over: a bus, as far as this needs it. */
export interface Broadcast {
  publish(topic: string, text: string): void;
  subscribe(topic: string, onText: (text: string) => void): () => void;
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

const TOPIC = "isolates";
/** An isolate that misses so many beats is gone. */
const MISSED_BEATS = 3;

/**
 * The other isolates of this function, as far as they are heard of. Each says that it lives in every beat, and says
 * goodbye when it stops; one that was heard of and misses three beats is gone. What it held is to be given up then.
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
  #timer: ReturnType<typeof setInterval> | undefined;
  #unsubscribe: (() => void) | undefined;

  constructor({ isolateId, broadcast, beatMs = 5_000, now = () => performance.now() }: PeersOptions) {
    if (!(beatMs > 0)) throw new RangeError(`Cannot watch peers as 'beatMs' must be > 0: current value is ${beatMs}`);
    this.#isolateId = isolateId;
    this.#broadcast = broadcast;
    this.#beatMs = beatMs;
    this.#now = now;
  }

  /** Begins to beat and to listen; a second call changes nothing. */
  start(): void {
    if (this.#timer !== undefined) return;
    this.#unsubscribe = this.#broadcast.subscribe(TOPIC, (text) => this.#hear(text));
    this.#say("beat");
    this.#timer = setInterval(() => this.#beat(), this.#beatMs);
    for (const listener of this.#startListeners) listener();
  }

  /** Says goodbye and stops. May be called twice, and be followed by `start`. */
  stop(): void {
    if (this.#timer === undefined) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#say("bye");
    this.#unsubscribe?.();
    this.#heardAt.clear();
  }

  /** Takes anything heard from an isolate as a sign of its life. */
  heard(isolateId: string): void {
    if (isolateId !== this.#isolateId && this.#timer !== undefined) this.#heardAt.set(isolateId, this.#now());
  }

  /** Calls `listener` when an isolate is gone. Gives the function that ends this. */
  onGone(listener: (isolateId: string) => void): () => void {
    this.#goneListeners.add(listener);
    return () => this.#goneListeners.delete(listener);
  }

  /** Calls `listener` whenever this isolate begins to beat. Gives the function that ends this. */
  onStart(listener: () => void): () => void {
    this.#startListeners.add(listener);
    return () => this.#startListeners.delete(listener);
  }

  /** Calls `listener` with every beat of this isolate. Gives the function that ends this. */
  onBeat(listener: () => void): () => void {
    this.#beatListeners.add(listener);
    return () => this.#beatListeners.delete(listener);
  }

  #beat(): void {
    this.#say("beat");
    const oldest = this.#now() - MISSED_BEATS * this.#beatMs;
    for (const [isolateId, heardAt] of this.#heardAt) if (heardAt < oldest) this.#gone(isolateId);
    for (const listener of this.#beatListeners) listener();
  }

  #say(word: "beat" | "bye"): void {
    this.#broadcast.publish(TOPIC, `${this.#isolateId} ${word}`);
  }

  #hear(text: string): void {
    const [isolateId = "", word] = text.split(" ");
    if (word === "beat") this.heard(isolateId);
    else if (word === "bye" && isolateId !== this.#isolateId) this.#gone(isolateId);
  }

  #gone(isolateId: string): void {
    this.#heardAt.delete(isolateId);
    for (const listener of this.#goneListeners) listener(isolateId);
  }
}
