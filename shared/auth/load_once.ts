/**
 * Loads with the first call and keeps what came, for all calls. A failure is not kept: those that waited for it reject,
 * and the next call loads again.
 */
export function loadOnce<T>(load: () => Promise<T>): () => Promise<T> {
  let loading: Promise<T> | undefined;
  return () =>
    loading ??= load().catch((error) => {
      loading = undefined;
      throw error;
    });
}
