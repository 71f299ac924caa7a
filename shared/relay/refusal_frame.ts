import { ERROR_CODES, type ErrorCode } from "../protocol/codes.ts";
import type { ErrorFrame } from "../protocol/connection_frames.ts";
import { refusalEvent } from "./openai/refusal_event.ts";
import { readsErrorFrames } from "./supabase_upstream.ts";

/**
 * The frame by which a caller learns why it may not come in, as its protocol has it: the `error` frame as it is; for clients
 * of OpenAI with the members of OpenAI's `error` event behind, which is where these look; none for those of Realtime.
 */
export function refusalFrame(request: Request, frame: ErrorFrame): object | undefined {
  if (!readsErrorFrames(request)) return undefined;
  if (new URL(request.url).pathname.split("/")[2] !== "openai") return frame;
  const { code, message } = frame;
  const status = Object.hasOwn(ERROR_CODES, code) ? ERROR_CODES[code as ErrorCode].status : 400;
  const { event_id, error } = refusalEvent({ code, message, ...status >= 500 && { type: "server_error" } });
  return { ...frame, event_id, error };
}
