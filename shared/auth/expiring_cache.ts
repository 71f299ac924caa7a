/** A bounded map whose entries end by themselves. */
export interface ExpiringCache<V> {
  readonly size: number;
  /** The value under `key` unless it has expired. */
  get(key: string): V | undefined;
  /** Keeps `value` until `expiresAt` (ms since the epoch), or until `maxEntries` others were used more recently. */
  set(key: string, value: V, expiresAt: number): void;
}

/** An empty cache of at most `maxEntries`, which drops what was not used for the longest time. It holds no timer. */
export function expiringCache<V>(maxEntries: number, now: () => number): ExpiringCache<V> {
  // A Map iterates in the order of insertion: what is used is put in anew, so the first entry is the one to drop.
  const entries = new Map<string, { readonly value: V; readonly expiresAt: number }>();
  return {
    get size() {
      return entries.size;
    },
    get(key) {
      const entry = entries.get(key);
      if (!entry) return undefined;
      entries.delete(key);
      if (entry.expiresAt <= now()) return undefined;
      entries.set(key, entry);
      return entry.value;
    },
    set(key, value, expiresAt) {
      entries.delete(key);
      entries.set(key, { value, expiresAt });
      if (entries.size > maxEntries) entries.delete(entries.keys().next().value!);
    },
  };
}
