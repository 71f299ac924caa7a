/** What happens to broadcasts on their way to a client: shares from 0 to 1, drawn for each client anew. */
export interface BroadcastFaults {
  /** Never arrives. */
  drop?: number;
  /** Arrives twice. */
  double?: number;
  /** Arrives up to `maxDelayMs` later; what follows overtakes it. */
  delay?: number;
  /** Arrives after the next one to this client, or after `maxDelayMs` if none comes. */
  reorder?: number;
  /** Default: 50. */
  maxDelayMs?: number;
  /** Draws from 0 to 1, four times a broadcast and client. Default: `Math.random`. */
  random?: () => number;
}

/** How many broadcasts went wrong on purpose so far, counted once for each client. */
export interface FaultCounts {
  readonly dropped: number;
  readonly doubled: number;
  readonly delayed: number;
  readonly reordered: number;
}

type Send = () => void;

/** The way of broadcasts to clients, on which faults can be put. */
export class FaultyDelivery {
  #faults: BroadcastFaults | undefined;
  readonly #counts = { dropped: 0, doubled: 0, delayed: 0, reordered: 0 };
  readonly #timers = new Set<ReturnType<typeof setTimeout>>();
  /** Of each client: the one that waits to be overtaken. */
  readonly #held = new Map<object, Send>();

  /** Puts faults on all broadcasts from now on, in the place of those before; undefined ends them. */
  set(faults: BroadcastFaults | undefined): void {
    this.#faults = faults;
    if (!faults) { for (const client of [...this.#held.keys()]) this.#release(client); }
  }

  get counts(): FaultCounts {
    return { ...this.#counts };
  }

  /** Sends at once, or as the faults have it. */
  deliver(client: object, send: Send): void {
    if (!this.#faults) return send();
    const { drop = 0, double = 0, delay = 0, reorder = 0, maxDelayMs = 50, random = Math.random } = this.#faults;
    const [dropped, doubled, late, swapped] = [random(), random(), random(), random()];
    if (dropped < drop) return void this.#counts.dropped++;
    const isDoubled = doubled < double;
    const sendAll = isDoubled ? twice(send) : send;
    if (isDoubled) this.#counts.doubled++;
    if (late < delay) {
      this.#counts.delayed++;
      return this.#after((late / delay) * maxDelayMs, sendAll);
    }
    if (swapped < reorder && !this.#held.has(client)) {
      this.#counts.reordered++;
      this.#held.set(client, sendAll);
      return this.#after(maxDelayMs, () => this.#held.get(client) === sendAll && this.#release(client));
    }
    sendAll();
    this.#release(client);
  }

  /** Drops what is late. */
  close(): void {
    this.#faults = undefined;
    this.#held.clear();
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }

  /** Sends the one that waits to be overtaken. */
  #release(client: object): void {
    const send = this.#held.get(client);
    this.#held.delete(client);
    send?.();
  }

  #after(ms: number, run: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      run();
    }, ms);
    this.#timers.add(timer);
  }
}

function twice(send: Send): Send {
  return () => {
    send();
    send();
  };
}
