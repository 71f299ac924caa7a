import type { Failure } from "../protocol/codes.ts";
import { ChatClientFrame } from "../protocol/chat_client_frames.ts";
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
  const parsed = ChatClientFrame.safeParse(value);
  if (parsed.success) return ok(parsed.data);
  const [issue] = parsed.error.issues;
  const where = issue?.path.join(".") || "the frame";
  const ref = refOf(value);
  return err({
    code: "bad_frame",
    message: where === "type" ? `There is no such frame: ${typeOf(value)}` : `${where}: ${issue?.message}`,
    ...(ref !== undefined && { ref }),
  });
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
