import type { ChatClientFrameOf } from "../protocol/chat_client_frames.ts";

/** A message on its way out, in a form that JSON holds. */
export type OutgoingFrame = (ChatClientFrameOf<"chat"> | ChatClientFrameOf<"dm">) & { readonly client_id: string };

/** A message that has no `ack` yet. */
export interface OutboxEntry {
  /** Entries are sent in this order. */
  readonly order: number;
  /** What is to be sent. */
  readonly frame: OutgoingFrame;
}

/**
 * Where messages without an `ack` are kept, by `frame.client_id`. What `put` has taken is given by a later `load`, in any
 * order, until it is removed. May throw where it cannot keep a promise (`put`: the message is then refused). An
 * asynchronous storage is read before the client is made, and written behind.
 */
export interface OutboxStorage {
  /** What an earlier page left, in the order in which it was put. */
  load(): readonly OutboxEntry[];
  /** Keeps a message until it is removed. */
  put(entry: OutboxEntry): void;
  /** Removing what is not there changes nothing. */
  remove(clientId: string): void;
}

/** Keeps messages in memory: they outlive a client that is given the same storage, and nothing else. */
export function memoryStorage(): OutboxStorage {
  const entries = new Map<string, OutboxEntry>();
  return {
    load: () => [...entries.values()],
    put: (entry) => void entries.set(entry.frame.client_id, entry),
    remove: (clientId) => void entries.delete(clientId),
  };
}
