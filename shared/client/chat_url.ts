import type { Position } from "../protocol/chat_client_frames.ts";

/** What a chat connection says in its address. */
export interface ChatAddress {
  readonly token: string;
  readonly session: string;
  readonly room?: string | undefined;
  /** Where this client stands in `room`. */
  readonly position?: Position | undefined;
}

/**
 * The address of a chat socket: `base` (http, https, ws or wss, with any query of its own) with what the connection says.
 * @throws {TypeError} where `base` is no such address.
 */
export function chatUrl(base: string | URL, { token, session, room, position }: ChatAddress): string {
  const url = parseBase(base);
  const { searchParams } = url;
  searchParams.set("jwt", token);
  searchParams.set("session", session);
  searchParams.set("batch", "1");
  if (room !== undefined) searchParams.set("room", room);
  if (position !== undefined) searchParams.set("since", String(position.since));
  if (position?.epoch !== undefined) searchParams.set("epoch", position.epoch);
  return url.href;
}

function parseBase(base: string | URL): URL {
  // A page may say "/functions/v1/chat" where it comes from the same host.
  const url = new URL(base, globalThis.location?.href);
  const protocol = { "http:": "ws:", "https:": "wss:", "ws:": "ws:", "wss:": "wss:" }[url.protocol];
  if (protocol === undefined) {
    throw new TypeError(`Cannot connect as 'url' must begin with http, https, ws or wss: current value is ${base}`);
  }
  url.protocol = protocol;
  url.hash = "";
  return url;
}
