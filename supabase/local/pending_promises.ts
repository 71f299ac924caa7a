/** Counts what is pending in `EdgeRuntime.waitUntil`, with the quirks of the platform. */
export class PendingPromises {
  #count = 0;
  readonly #watched = new WeakSet<Promise<unknown>>();
  readonly #onChange: (count: number) => void;

  /** `onChange` is told each new count. */
  constructor(onChange: (count: number) => void) {
    this.#onChange = onChange;
  }

  /** How many are pending. */
  get count(): number {
    return this.#count;
  }

  /**
   * Takes a promise, and gives it back. Only native promises count. One that is settled already, or that is given a
   * second time, counts for ever: the platform waits for an event that has passed (edge-runtime, async_hook.js).
   */
  waitUntil<T>(promise: T): T {
    if (!(promise instanceof Promise)) return promise;
    this.#change(+1);
    if (this.#watched.has(promise)) return promise;
    this.#watched.add(promise);
    let isSettledAlready = true;
    const settle = () => {
      if (!isSettledAlready) this.#change(-1);
    };
    // The reaction of a promise that is settled is queued at once, so it runs before the microtask behind it.
    Promise.prototype.then.call(promise, settle, (error) => {
      settle();
      throw error; // Stays an unhandled rejection, as it is on the platform.
    });
    queueMicrotask(() => isSettledAlready = false);
    return promise;
  }

  #change(by: number): void {
    this.#count += by;
    this.#onChange(this.#count);
  }
}
