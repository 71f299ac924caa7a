import type { LogEvent } from "../store/store.ts";
import type { PresenceHint } from "./presence.ts";

/** What isolates tell each other over the bus: passing things, and hints of what is in the store already. */
export type Hint =
  /** An event was stored: here it is, so that nobody needs to read it. */
  | { readonly kind: "event"; readonly epoch: string; readonly event: LogEvent }
  /** The log of the room ends here now: what is missing has to be read. */
  | { readonly kind: "head"; readonly epoch: string; readonly head: number }
  | PresenceHint
  /** A frame of `user` for the members here that is not stored: to all, or to one user. */
  | { readonly kind: "frame"; readonly user?: string; readonly frame: string; readonly to?: string }
  /** A frame of a raw connection of `user`, as it is (base64 where it is binary). */
  | { readonly kind: "raw"; readonly user?: string; readonly data: string; readonly binary: boolean }
  /** A raw frame of `user` was too much for an isolate, which did not hand it on: his stream has to end. */
  | { readonly kind: "overrun"; readonly user: string }
  /** The rooms of a user have changed. */
  | { readonly kind: "rooms" }
  /** A frame for all connections of a user. */
  | { readonly kind: "user"; readonly frame: string };

/** The topic on which the isolates that hold members of a room hear of it. */
export function roomTopic(room: string): string {
  return `room:${room}`;
}

/** The topic on which the isolates that hold connections of a user hear of him. */
export function userTopic(user: string): string {
  return `user:${user}`;
}

/** A hint as text: a JSON array whose first element is the isolate that sent it. */
export function encodeHint(from: string, hint: Hint): string {
  return JSON.stringify([from, hint]);
}

/** As `encodeHint` for an event whose frame is encoded already: on the way of every message, so it is not encoded twice. */
export function encodeEventHint(from: string, epoch: string, { room, seq }: LogEvent, frame: string): string {
  const event = `{"room":${JSON.stringify(room)},"seq":${seq},"frame":${frame}}`;
  return `["${from}",{"kind":"event","epoch":${JSON.stringify(epoch)},"event":${event}}]`;
}

/**
 * Reads a hint of another isolate, and says which; `undefined` for one's own, which was acted on when it was sent, and
 * for garbage. The database's own hints (`{"room", "seq", "epoch"}`) come from no isolate.
 */
export function decodeHint(self: string, text: string): { from: string; hint: Hint } | undefined {
  if (text.startsWith(`["${self}",`)) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined; // Hints may be lost, so a broken one is as good as none.
  }
  if (Array.isArray(value)) {
    const [from, hint] = value as [unknown, Partial<Hint> | null];
    return typeof from === "string" && typeof hint?.kind === "string" ? { from, hint: hint as Hint } : undefined;
  }
  const { seq, epoch } = (value ?? {}) as { seq?: unknown; epoch?: unknown };
  if (!Number.isSafeInteger(seq) || typeof epoch !== "string") return undefined;
  return { from: "", hint: { kind: "head", epoch, head: seq as number } };
}
