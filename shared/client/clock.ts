/** Time, as the client is given it: tests bring their own. */
export interface Clock {
  /** Milliseconds from any origin; never goes back. */
  now(): number;
  /** As the global one. */
  setTimeout(action: () => void, delayMs: number): unknown;
  /** As the global one. */
  clearTimeout(timer: unknown): void;
}

/** The clock of the page or the process. */
export const systemClock: Clock = {
  now: () => performance.now(),
  setTimeout: (action, delayMs) => setTimeout(action, delayMs),
  clearTimeout: (timer) => clearTimeout(timer as ReturnType<typeof setTimeout>),
};
