/** Runs tasks one after the other, in the order of the calls. */
export type Lock = <T>(task: () => Promise<T>) => Promise<T>;

/** Makes a lock. A task that fails fails its own caller and lets the next one run. */
export function createLock(): Lock {
  let last: Promise<unknown> = Promise.resolve();
  return (task) => {
    const result = last.then(task);
    last = result.catch(() => {}); // The caller has the error; here only the order counts.
    return result;
  };
}
