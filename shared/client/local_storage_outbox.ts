import type { OutboxEntry, OutboxStorage } from "./outbox_storage.ts";

/**
 * Keeps messages in the browser's `localStorage`, so that they survive a reload and a crash: one item a message, under a
 * key of this `url` and `user`, so that nobody sends what another one wrote. Pages that are open side by side may both
 * send an item; the server takes it once.
 *
 * ```ts
 * connectChat({ url, token, storage: localStorageOutbox(url, user.id) });
 * ```
 */
export function localStorageOutbox(
  url: string | URL,
  user: string,
  storage: Storage = globalThis.localStorage,
): OutboxStorage {
  const prefix = `edge-sockets:outbox:${user}:${url}:`;
  return {
    load() {
      const keys = Array.from({ length: storage.length }, (_, i) => storage.key(i) ?? "");
      return keys.filter((key) => key.startsWith(prefix)).flatMap((key) =>
        // The keys of another address may begin as these do.
        parseEntry(storage.getItem(key)).filter(({ frame }) => key === prefix + frame.client_id)
      );
    },
    put: (entry) => storage.setItem(prefix + entry.frame.client_id, JSON.stringify(entry)),
    remove: (clientId) => storage.removeItem(prefix + clientId),
  };
}

/** The page, or its user, may have written anything there. */
function parseEntry(text: string | null): OutboxEntry[] {
  try {
    const entry = JSON.parse(text ?? "");
    return typeof entry.order === "number" && typeof entry.frame.client_id === "string" ? [entry] : [];
  } catch {
    return [];
  }
}
