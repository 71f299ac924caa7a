import type { SessionChanges, SessionStore } from "../../../shared/relay/openai/session_store.ts";

/** The store as one isolate reaches it. */
export interface MortalStore extends SessionStore {
  readonly isDead: boolean;
  /** Nothing reaches the store any more, and nothing comes back: for it, the isolate was killed. */
  kill(): void;
}

/** How an isolate reaches its store. */
export interface MortalStoreOptions {
  /** Settles when a call has arrived, and again when its answer has; default at once. */
  readonly travel?: () => Promise<void>;
  /** Whether the isolate is killed right behind a save: that one is stored, and nobody here hears of it. */
  readonly diesAfter?: (changes: SessionChanges) => boolean;
}

/** `store` as an isolate reaches it that is killed when a test says so. */
export function mortalStore(store: SessionStore, { travel, diesAfter }: MortalStoreOptions = {}): MortalStore {
  let isDead = false;
  const untilDead = async () => {
    await travel?.();
    if (isDead) await new Promise(() => {});
  };
  const reach = async <T>(call: () => Promise<T>, isLast?: () => boolean): Promise<T> => {
    await untilDead();
    const answer = await call();
    if (isLast?.()) isDead = true;
    await untilDead();
    return answer;
  };
  return {
    get isDead() {
      return isDead;
    },
    kill: () => isDead = true,
    claim: (...args) => reach(() => store.claim(...args)),
    save: (...args) => reach(() => store.save(...args), () => diesAfter?.(args[2]) ?? false),
    remove: (...args) => reach(() => store.remove(...args)),
  };
}
