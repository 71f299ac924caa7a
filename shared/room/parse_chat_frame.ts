import type { Failure } from "../protocol/codes.ts";
import {
  ChatClientFrame,
  type ChatClientFrameOf,
  MAX_BODY_LENGTH,
  MAX_DATA_DEPTH,
  MAX_REFERENCE_LENGTH,
  ROOM_ID,
} from "../protocol/chat_client_frames.ts";
import { err, ok, type Result } from "../protocol/result.ts";

/** A frame that could not be read: why, and which one it was where it says so. */
export interface BadFrame extends Failure {
  readonly ref?: string;
}

/** Reads a text frame of a chat client by its schema. The failure names the member that is wrong, never its value. */
export function parseChatFrame(text: string): Result<ChatClientFrame, BadFrame> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return err({ code: "bad_frame", message: "The frame is not JSON" });
  }
  if (isCommonChatFrame(value)) return ok(value);
  // Asked first, since a schema, like JSON.stringify, goes down by calling itself: a client must not run out of our stack.
  if (!isShallow((value as { data?: unknown } | null)?.data, MAX_DATA_DEPTH)) {
    return badFrame(value, `data: is nested deeper than ${MAX_DATA_DEPTH} levels`);
  }
  const parsed = ChatClientFrame.safeParse(value);
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

/**
 * Whether a frame is a `chat` frame of the members that nearly all of them have, each as its schema wants it. This is
 * most of what a busy room sends, and asking so costs a tenth of asking the schema. Whatever it does not know, good or
 * bad, it leaves to the schema.
 */
function isCommonChatFrame(value: unknown): value is ChatClientFrameOf<"chat"> {
  if (typeof value !== "object" || value === null) return false;
  const frame = value as Readonly<Record<string, unknown>>;
  if (frame.type !== "chat") return false;
  for (const name in frame) {
    const member = frame[name];
    if (typeof member !== "string") return false;
    switch (name) {
      case "type":
        break;
      case "body":
      case "text":
        if (member.length === 0 || member.length > MAX_BODY_LENGTH) return false;
        break;
      case "client_id":
        if (member.length === 0 || member.length > MAX_REFERENCE_LENGTH) return false;
        break;
      case "ref":
        if (member.length > MAX_REFERENCE_LENGTH) return false;
        break;
      case "room":
        if (!ROOM_ID.test(member)) return false;
        break;
      default:
        return false;
    }
  }
  return true;
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
