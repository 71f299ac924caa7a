import {
  EMPTY_RECORD,
  KEPT_MS,
  type KeptItem,
  MAX_SESSIONS_PER_USER,
  type PendingEvent,
  type SessionKey,
  type SessionState,
  type SessionStore,
} from "./session_store.ts";

interface Kept {
  readonly userId: string;
  owner: string;
  /** When the owner's connection began. */
  beganAt: number;
  savedAt: number;
  state: SessionState;
  readonly items: Map<string, KeptItem>;
  readonly pending: Map<number, PendingEvent>;
}

/**
 * Conversations in the memory of this isolate: for tests, and for `deno task dev` without a database. They outlive
 * connections, not the isolate. `now` gives the time in milliseconds.
 */
export function memorySessionStore({ now = Date.now }: { readonly now?: () => number } = {}): SessionStore {
  /** In the order in which they were claimed, the one longest ago first. */
  const sessions = new Map<string, Kept>();
  const keyOf = ({ userId, sessionId }: SessionKey) => JSON.stringify([userId, sessionId]);
  const isExpired = ({ savedAt }: Kept) => now() - savedAt >= KEPT_MS;
  const owned = (key: SessionKey, owner: string) => {
    const kept = sessions.get(keyOf(key));
    return kept === undefined || kept.owner !== owner || isExpired(kept) ? undefined : kept;
  };
  const dropOld = (userId: string) => {
    for (const [key, kept] of sessions) if (isExpired(kept)) sessions.delete(key);
    const own = [...sessions].filter(([, kept]) => kept.userId === userId);
    for (const [key] of own.slice(0, Math.max(0, own.length - MAX_SESSIONS_PER_USER))) sessions.delete(key);
  };
  return {
    claim(key, owner, beganAt = Infinity) {
      const id = keyOf(key);
      const found = sessions.get(id);
      const began = Math.min(beganAt, now());
      const kept: Kept = found === undefined || isExpired(found)
        ? {
          userId: key.userId,
          owner,
          beganAt: began,
          savedAt: now(),
          state: EMPTY_RECORD,
          items: new Map(),
          pending: new Map(),
        }
        : found;
      if (kept.beganAt > began) return Promise.resolve("taken_over");
      kept.owner = owner;
      kept.beganAt = began;
      kept.savedAt = now();
      sessions.delete(id);
      sessions.set(id, kept);
      dropOld(key.userId);
      const { state } = kept;
      const items = [...kept.items.values()].sort((a, b) => a.place - b.place);
      const pending = [...kept.pending.values()].sort((a, b) => a.number - b.number);
      kept.state = { ...kept.state, told: false };
      return Promise.resolve(structuredClone({ ...state, items, pending }));
    },
    save(key, owner, { put = [], remove = [], pend = [], unpend = [], ...state }) {
      const kept = owned(key, owner);
      if (kept === undefined) return Promise.resolve(false);
      kept.savedAt = now();
      kept.state = { ...kept.state, ...structuredClone(state) };
      for (const id of remove) kept.items.delete(id);
      for (const item of structuredClone(put)) kept.items.set(item.id, item);
      for (const number of unpend) kept.pending.delete(number);
      for (const pending of structuredClone(pend)) kept.pending.set(pending.number, pending);
      return Promise.resolve(true);
    },
    remove(key, owner) {
      if (owned(key, owner) !== undefined) sessions.delete(keyOf(key));
      return Promise.resolve();
    },
  };
}
