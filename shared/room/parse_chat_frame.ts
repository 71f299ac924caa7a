import type { ChatClientFrame, ChatClientFrameOf } from "../protocol/chat_client_frames.ts";
import {
  MAX_BODY_LENGTH,
  MAX_DATA_DEPTH,
  MAX_EPOCH_LENGTH,
  MAX_REFERENCE_LENGTH,
  ROOM_ID,
} from "../protocol/chat_limits.ts";
import type { Failure } from "../protocol/codes.ts";
import { err, ok, type Result } from "../protocol/result.ts";

/** A frame that could not be read: why, and which one it was where it says so. */
export interface BadFrame extends Failure {
  readonly ref?: string;
}

/** What became of a frame that was read. */
export type ParsedFrame = Result<ChatClientFrame, BadFrame>;

/** Loaded with the first frame that needs them: with zod they are a fifth of a cold start, and many isolates never do. */
let schemas: typeof import("../protocol/chat_client_frames.ts") | undefined;

/**
 * Reads a text frame of a chat client by its schema; a promise only where that has to be loaded first. The failure names
 * the member that is wrong, never its value.
 */
export function parseChatFrame(text: string): ParsedFrame | Promise<ParsedFrame> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return err({ code: "bad_frame", message: "The frame is not JSON" });
  }
  if (isCommonFrame(value)) return ok(value);
  // Asked first, since a schema, like JSON.stringify, goes down by calling itself: a client must not run out of our stack.
  if (!isShallow((value as { data?: unknown } | null)?.data, MAX_DATA_DEPTH)) {
    return badFrame(value, `data: is nested deeper than ${MAX_DATA_DEPTH} levels`);
  }
  if (schemas !== undefined) return parseBySchema(value, schemas.ChatClientFrame);
  return import("../protocol/chat_client_frames.ts").then((loaded) => {
    schemas = loaded;
    return parseBySchema(value, loaded.ChatClientFrame);
  });
}

function parseBySchema(value: unknown, schema: typeof ChatClientFrame): ParsedFrame {
  const parsed = schema.safeParse(value);
  if (parsed.success) return ok(parsed.data);
  const [issue] = parsed.error.issues;
  const where = issue?.path.join(".") || "the frame";
  const message = where === "type" ? `There is no such frame: ${typeOf(value)}` : `${where}: ${issue?.message}`;
  return badFrame(value, message);
}

function badFrame(frame: unknown, message: string): { ok: false; error: BadFrame } {
  const ref = refOf(frame);
  return err({ code: "bad_frame", message, ...(ref !== undefined && { ref }) });
}

/** Whether arrays and objects in `value` are nested no deeper than `levels`. */
function isShallow(value: unknown, levels: number): boolean {
  if (typeof value !== "object" || value === null) return true;
  if (levels === 0) return false;
  for (const item of Object.values(value)) if (!isShallow(item, levels - 1)) return false;
  return true;
}

/** As most ids of messages are; the schema takes some more. */
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

type CommonType = "chat" | "typing" | "mark_read" | "ping" | "resume";

/**
 * Whether a frame is one that clients send all the time (`chat`, `typing`, `mark_read`, `ping`) or that has thousands of
 * members (`resume`), of the members that nearly all of them have, each as its schema wants it. Asking so costs a tenth
 * of asking the schema, and many isolates need no other. Whatever it does not know, good or bad, it leaves to the schema.
 */
function isCommonFrame(value: unknown): value is ChatClientFrameOf<CommonType> {
  if (typeof value !== "object" || value === null) return false;
  const frame = value as Readonly<Record<string, unknown>>;
  const { type } = frame;
  if (type !== "chat" && type !== "typing" && type !== "mark_read" && type !== "ping" && type !== "resume") {
    return false;
  }
  for (const name in frame) {
    const member = frame[name];
    if (type === "resume" && name === "rooms" && arePositions(member)) continue;
    if (typeof member !== "string") return false;
    switch (name) {
      case "type":
        break;
      case "body":
      case "text":
        if (type !== "chat" || member.length === 0 || member.length > MAX_BODY_LENGTH) return false;
        break;
      case "client_id":
        if (type !== "chat" || member.length === 0 || member.length > MAX_REFERENCE_LENGTH) return false;
        break;
      case "ref":
        if (member.length > MAX_REFERENCE_LENGTH) return false;
        break;
      case "room":
        if ((type !== "chat" && type !== "typing") || !ROOM_ID.test(member)) return false;
        break;
      case "message_id":
        if (type !== "mark_read" || !UUID.test(member)) return false;
        break;
      default:
        return false;
    }
  }
  if (type === "resume") return "rooms" in frame;
  return type !== "mark_read" || "message_id" in frame;
}

/** Whether these are positions by room, and nothing else. */
function arePositions(value: unknown): boolean {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const positions = value as Readonly<Record<string, unknown>>;
  for (const room in positions) {
    // A schema does not take this name for a member's.
    if (room === "__proto__" || !ROOM_ID.test(room) || !isPosition(positions[room])) return false;
  }
  return true;
}

function isPosition(value: unknown): boolean {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const position = value as Readonly<Record<string, unknown>>;
  for (const name in position) {
    const member = position[name];
    if (name === "since") {
      if (!Number.isSafeInteger(member) || (member as number) < 0) return false;
    } else if (name !== "epoch" || typeof member !== "string" || member.length > MAX_EPOCH_LENGTH) return false;
  }
  return "since" in position;
}

/** What an answer to `frame` refers to: its own `ref`, else the id that the client gave the message. */
export function refOf(frame: unknown): string | undefined {
  if (typeof frame !== "object" || frame === null) return undefined;
  const { ref, client_id } = frame as { ref?: unknown; client_id?: unknown };
  const found = ref ?? client_id;
  return typeof found === "string" && found.length <= 128 ? found : undefined;
}

function typeOf(value: unknown): string {
  const type = (value as { type?: unknown } | null)?.type;
  return typeof type === "string" ? `type "${type.slice(0, 40)}"` : "type is not a string";
}
