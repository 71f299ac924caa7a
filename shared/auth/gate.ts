/**
 * Runs the task now or in its turn, and gives what it gives; undefined, without having run it, when too many wait.
 * A task that throws leaves the gate open to the next.
 */
export type Gate = <T>(task: () => Promise<T>) => Promise<T> | undefined;

/** A gate for at most `maxActive` tasks at a time, while at most `maxWaiting` wait in order of arrival. */
export function gate(maxActive: number, maxWaiting: number): Gate {
  const waiting: (() => void)[] = [];
  let active = 0;

  async function run<T>(task: () => Promise<T>): Promise<T> {
    active++;
    try {
      return await task();
    } finally {
      active--;
      waiting.shift()?.();
    }
  }

  return <T>(task: () => Promise<T>) => {
    if (active < maxActive) return run(task);
    if (waiting.length >= maxWaiting) return undefined;
    return new Promise<T>((resolve) => waiting.push(() => resolve(run(task))));
  };
}
