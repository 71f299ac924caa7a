/** Whoever does not wait for a promise must not be brought down by it: events tell of what goes wrong as well. */
export function mayBeIgnored<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}
