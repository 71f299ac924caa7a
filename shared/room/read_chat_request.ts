import type { Position } from "../protocol/chat_client_frames.ts";
import { ROOM_ID } from "../protocol/chat_limits.ts";
import type { Failure } from "../protocol/codes.ts";
import { err, ok, type Result } from "../protocol/result.ts";

/** What the URL of a chat connection asks for. */
export interface ChatRequest {
  /** The room to join; the inbox has none. */
  readonly room?: string;
  readonly position?: Position;
  readonly session?: string;
  readonly raw: boolean;
  readonly batch: boolean;
}

/**
 * Reads `/chat/ID` or `?room=ID` (`community=` is an alias), `&since=SEQ&epoch=E`, `&session=ID`, `&format=raw` and
 * `&batch=1`. Refused with `bad_request`, by the name of the parameter.
 */
export function readChatRequest(url: URL): Result<ChatRequest, Failure> {
  const { searchParams } = url;
  const room = searchParams.get("room") ?? searchParams.get("community") ?? roomOfPath(url.pathname);
  if (room !== undefined && !ROOM_ID.test(room)) {
    return bad("room", "must be 1 to 128 letters, digits, '.', '_', ':' or '-'");
  }
  const since = searchParams.get("since");
  if (since !== null && !/^\d{1,15}$/.test(since)) return bad("since", "must be a whole number >= 0");
  const epoch = searchParams.get("epoch");
  if (epoch !== null && !/^[\w-]{1,64}$/.test(epoch)) return bad("epoch", "is none that this server gave");
  const session = searchParams.get("session");
  if (session !== null && !/^[\w-]{1,64}$/.test(session)) {
    return bad("session", "must be 1 to 64 letters, digits, '_' or '-'");
  }
  const format = searchParams.get("format");
  if (format !== null && format !== "raw" && format !== "json") return bad("format", "must be json or raw");
  const raw = format === "raw";
  if (raw && room === undefined) return bad("room", "is missing: raw frames go to a room");
  return ok({
    ...(room !== undefined && { room }),
    ...(since !== null && { position: { since: Number(since), ...(epoch !== null && { epoch }) } }),
    ...(session !== null && { session }),
    raw,
    batch: searchParams.get("batch") === "1",
  });
}

/** What follows the function's own name in the path. */
function roomOfPath(pathname: string): string | undefined {
  const [, ...rest] = pathname.split("/").filter((segment) => segment !== "");
  if (rest.length === 0) return undefined;
  try {
    return decodeURIComponent(rest.join("/"));
  } catch {
    return rest.join("/"); // A stray percent sign: no valid room id, and refused as such.
  }
}

function bad(parameter: string, rule: string): { ok: false; error: Failure } {
  return err({ code: "bad_request", message: `${parameter}: ${rule}` });
}
