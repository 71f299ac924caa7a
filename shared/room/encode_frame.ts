import { MAX_BODY_LENGTH } from "../protocol/chat_limits.ts";
import type { LogFrame, Message } from "../protocol/chat_server_frames.ts";
import { MAX_PAGE_BYTES } from "../store/store.ts";

/**
 * The frame of an event as JSON. Where the runtime cannot encode it (Deno 2.1 runs out of stack at some 5,000 levels), or
 * it alone is longer than a page of the log may be, it goes without its message's `data`, and where that is not enough
 * without all that has no bound: an event that reached the store must never keep a room from those after it.
 */
export function encodeFrame(frame: LogFrame): string {
  return encoded(frame) ?? encoded(withoutData(frame)) ?? JSON.stringify(bounded(frame));
}

/** Messages as a JSON array; each that cannot be encoded as `encodeFrame` leaves it. */
export function encodeMessages(messages: readonly Message[]): string {
  return `[${messages.map((message) => encodeMessage(message)).join(",")}]`;
}

function encodeMessage(message: Message): string {
  const { data: _data, ...rest } = message;
  return encoded(message) ?? encoded(rest) ?? JSON.stringify(bounded(message));
}

/** `undefined` where that is not possible, or too long. */
function encoded(value: object): string | undefined {
  try {
    const text = JSON.stringify(value);
    return text.length > MAX_PAGE_BYTES ? undefined : text;
  } catch {
    return undefined; // Too deep, or nothing that JSON knows: what is wrong with it is nothing to its reader.
  }
}

function withoutData(frame: LogFrame): LogFrame {
  if (frame.type !== "new_message") return frame;
  const { data: _data, ...message } = frame.message;
  return { ...frame, message };
}

/** Its texts (but `data`), numbers and truth values, and those of its `message` and of the `sender` in it. */
function bounded(value: object): object {
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, member]) => {
      if (name === "data") return [];
      if (typeof member === "string") return [[name, member.slice(0, MAX_BODY_LENGTH)]];
      if (member === null || typeof member === "number" || typeof member === "boolean") return [[name, member]];
      return name === "message" || name === "sender" ? [[name, bounded(member)]] : [];
    }),
  );
}
