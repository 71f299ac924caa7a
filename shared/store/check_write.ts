import type { Failure } from "../protocol/codes.ts";
import { MAX_BODY_LENGTH, MAX_DATA_DEPTH, ROOM_ID } from "../protocol/chat_limits.ts";
import type { Sender } from "../protocol/chat_server_frames.ts";
import type { Write } from "./store.ts";

/** The largest `data` of a message, in bytes of its JSON. */
export const MAX_DATA_BYTES = 65_536;
const MAX_NAME_LENGTH = 256;

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const encoder = new TextEncoder();

/** Whether `id` may name a room. */
export function isRoomId(id: string): boolean {
  return ROOM_ID.test(id);
}

/** Whether `id` has the shape of a user's or a message's id. */
export function isUuid(id: string): boolean {
  return UUID.test(id);
}

/**
 * What is wrong with a write whatever the database holds: its sizes, and text that no database column can hold. All
 * backends ask it, so that one bad write never fails the batch it is in.
 */
export function checkWrite(write: Write): Failure | undefined {
  if (write.kind === "message") return checkMessage(write);
  if (!isUuid(write.message_id)) return failure("message_not_found", "There is no such message.");
  if (write.kind === "edit") return checkBody(write.body) ?? checkPresent(write.body);
  if (write.kind === "react") return checkText("emoji", write.emoji, 32) ?? checkPresent(write.emoji, "emoji");
  return undefined;
}

/** The sender as it is stored: a display name that the database cannot hold is mended, not refused. */
export function storableSender(sender: Sender): Sender {
  if (sender.name && sender.name.length <= MAX_NAME_LENGTH && isStorableText(sender.name)) return sender;
  const name = sender.name?.replaceAll("\0", "").slice(0, MAX_NAME_LENGTH).toWellFormed();
  return name ? { id: sender.id, name } : { id: sender.id };
}

function checkMessage(write: Write & { kind: "message" }): Failure | undefined {
  if (!isRoomId(write.room)) return failure("room_not_found", "There is no such room.");
  if (write.reply_to !== undefined && !isUuid(write.reply_to)) {
    return failure("message_not_found", "There is no message to reply to.");
  }
  return checkBody(write.body) ??
    (write.data === undefined ? checkPresent(write.body) : checkData(write.data)) ??
    (write.client_id === undefined ? undefined : checkClientId(write.client_id)) ??
    (write.subject === undefined ? undefined : checkText("subject", write.subject, 256));
}

function checkBody(body: string): Failure | undefined {
  if (body.length > MAX_BODY_LENGTH) {
    return failure("too_large", `A message's body is at most ${MAX_BODY_LENGTH} characters long.`);
  }
  return checkText("body", body, MAX_BODY_LENGTH);
}

function checkClientId(clientId: string): Failure | undefined {
  return checkText("client_id", clientId, 128) ?? checkPresent(clientId, "client_id");
}

function checkPresent(text: string, field = "body"): Failure | undefined {
  return text === "" ? failure("bad_request", `The ${field} is empty.`) : undefined;
}

function checkText(field: string, text: string, maxLength: number): Failure | undefined {
  if (text.length > maxLength) return failure("bad_request", `The ${field} is longer than ${maxLength} characters.`);
  return isStorableText(text)
    ? undefined
    : failure("bad_request", `The ${field} holds a character that cannot be kept.`);
}

function checkData(data: unknown): Failure | undefined {
  if (!isStorableJson(data, MAX_DATA_DEPTH)) {
    return failure("bad_request", `The data is not JSON that can be kept, or deeper than ${MAX_DATA_DEPTH} levels.`);
  }
  const json = JSON.stringify(data);
  const isTooLarge = json.length > MAX_DATA_BYTES || encoder.encode(json).byteLength > MAX_DATA_BYTES;
  return isTooLarge ? failure("too_large", `A message's data is at most ${MAX_DATA_BYTES} bytes of JSON.`) : undefined;
}

function isStorableText(text: string): boolean {
  return text.isWellFormed() && !text.includes("\0");
}

function isStorableJson(value: unknown, levels: number): boolean {
  if (typeof value === "string") return isStorableText(value);
  if (typeof value === "number") return Number.isFinite(value);
  if (typeof value === "boolean" || value === null) return true;
  if (typeof value !== "object" || levels === 0) return false;
  if (Array.isArray(value)) return value.every((item) => isStorableJson(item, levels - 1));
  return Object.entries(value).every(([key, item]) => isStorableText(key) && isStorableJson(item, levels - 1));
}

function failure(code: Failure["code"], message: string): Failure {
  return { code, message };
}
