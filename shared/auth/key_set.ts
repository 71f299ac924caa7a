/** A JSON Web Key Set (RFC 7517 section 5). */
export interface JsonWebKeySet {
  /** The public keys, as JWK. */
  readonly keys: readonly Readonly<Record<string, unknown>>[];
}

/** How keys are fetched. */
export interface KeySetOptions {
  /** The keys known from the start; without them the first `reload` fetches. */
  readonly initial?: JsonWebKeySet;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly fetch: typeof fetch;
  readonly timeoutMs: number;
  readonly now: () => number;
}

/** The public keys of the Auth server, and whether they are up to date. */
export interface KeySet {
  /** The keys last known. A reload that brings keys brings a new object. */
  readonly current: JsonWebKeySet | undefined;
  /** Whether the last fetch failed, so that a key missing from `current` may exist all the same. */
  readonly isStale: boolean;
  /**
   * Fetches the keys, or waits for the fetch under way. While the last fetch is too recent it does nothing. It never
   * throws: what came of it is in `current` and `isStale`.
   */
  reload(): Promise<void>;
}

/** After a fetch that brought keys the next one waits so long, whatever unknown key ids callers come up with. */
const COOLDOWN_MS = 30_000;
/** After a fetch that failed the next one waits so long, twice as long each time, up to `COOLDOWN_MS`. */
const FIRST_RETRY_MS = 1_000;

/** A key set that is fetched when asked to, at most every 30 s, one fetch at a time. It holds no timer. */
export function keySet({ initial, url, headers, fetch, timeoutMs, now }: KeySetOptions): KeySet {
  let current = initial;
  let failures = 0;
  let nextFetchAt = -Infinity;
  let underWay: Promise<void> | undefined;

  async function load(): Promise<void> {
    const startedAt = now();
    try {
      const response = await fetch(url, { headers, redirect: "error", signal: AbortSignal.timeout(timeoutMs) });
      const body: unknown = response.ok ? await response.json() : await response.body?.cancel();
      if (!isJsonWebKeySet(body)) {
        throw new TypeError(`Cannot use the key set as the answer was HTTP ${response.status}`);
      }
      current = body;
      failures = 0;
    } catch {
      // Refused, timed out, not 2xx or not a key set: the keys known so far stay in use, and `isStale` tells.
      failures++;
    }
    nextFetchAt = startedAt +
      (failures === 0 ? COOLDOWN_MS : Math.min(COOLDOWN_MS, FIRST_RETRY_MS * 2 ** (failures - 1)));
  }

  return {
    get current() {
      return current;
    },
    get isStale() {
      return failures > 0;
    },
    reload() {
      if (!underWay && now() < nextFetchAt) return Promise.resolve();
      underWay ??= load().finally(() => underWay = undefined);
      return underWay;
    },
  };
}

/** Whether the value is an object with a list of keys, each an object that says its type. */
export function isJsonWebKeySet(value: unknown): value is JsonWebKeySet {
  if (typeof value !== "object" || value === null || !("keys" in value) || !Array.isArray(value.keys)) return false;
  return value.keys.every((key) => typeof key === "object" && key !== null && typeof key.kty === "string");
}
