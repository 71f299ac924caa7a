/** Listeners by the name of what they listen to. `Events` maps each name to what its listeners are given. */
export class Emitter<Events extends object> {
  readonly #listeners = new Map<keyof Events, Set<(event: never) => void>>();

  /** Calls `listener` for each event of that name, in the order in which they happen. Gives the function that ends this. */
  on<T extends keyof Events>(name: T, listener: (event: Events[T]) => void): () => void {
    // A wrapper of its own, so that the same function may listen twice.
    const own = (event: Events[T]) => listener(event);
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners.add(own));
    return () => listeners.delete(own);
  }

  /**
   * Tells all listeners but those that one before them has ended. One that throws stops nobody: its exception is reported
   * as uncaught, as it is for DOM events.
   */
  emit<T extends keyof Events>(name: T, event: Events[T]): void {
    const listeners = this.#listeners.get(name) as Set<(event: Events[T]) => void> | undefined;
    for (const listener of [...listeners ?? []]) {
      if (!listeners!.has(listener)) continue;
      try {
        listener(event);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }

  /** Forgets all listeners. */
  clear(): void {
    for (const listeners of this.#listeners.values()) listeners.clear();
  }
}
