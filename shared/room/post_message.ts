import * as z from "zod/mini";
import { checkSecretKey } from "../auth/mod.ts";
import { refuse } from "../connection/mod.ts";
import { Json, RoomId } from "../protocol/chat_client_frames.ts";
import { MAX_BODY_LENGTH } from "../protocol/chat_limits.ts";
import type { AckFrame } from "../protocol/chat_server_frames.ts";
import type { Failure } from "../protocol/codes.ts";
import { err, ok, type Result } from "../protocol/result.ts";
import { type Store, StoreUnavailable, SYSTEM_USER } from "../store/store.ts";
import type { Rooms } from "./rooms.ts";

/** What a server posts: a message to a room, or to one user. */
export const ServerMessage = z.object({
  room: z.optional(RoomId),
  user: z.optional(z.uuid()),
  body: z.string().check(z.minLength(1), z.maxLength(MAX_BODY_LENGTH)),
  client_id: z.optional(z.string().check(z.minLength(1), z.maxLength(128))),
  subject: z.optional(z.string().check(z.maxLength(256))),
  data: z.optional(Json),
  /** The name under which the message is shown; default `system`. */
  sender_name: z.optional(z.string().check(z.minLength(1), z.maxLength(100))),
});
type ServerMessage = z.infer<typeof ServerMessage>;

/** A room of two holds at most one event a member when it is made. */
const NEW_DIRECT_ROOM = 2;
const MAX_REQUEST_BYTES = 128 * 1024;

/** What posting needs of the chat. */
export interface PostContext {
  readonly store: Store;
  readonly rooms: Rooms;
  readonly secretKeys: readonly string[];
}

/**
 * Answers `POST /chat/messages`, by which jobs and webhooks write: with a secret key, `{room | user, body, client_id?,
 * subject?, data?, sender_name?}` is stored as any message is, by the system's user, and answered as `ack` is (201, or 200
 * where the `client_id` was there already). Refused as problem JSON: 401 without a key, 403 with another one, 404 for a
 * room or user that is not there, 413, 422, and 503 where the database cannot be reached.
 */
export async function postMessage(request: Request, { store, rooms, secretKeys }: PostContext): Promise<Response> {
  const failure = checkSecretKey(request, secretKeys);
  if (failure !== undefined) return refuse(failure);
  const message = await readMessage(request);
  if (!message.ok) return refuse(message.error);
  try {
    return await post(message.value, store, rooms);
  } catch (error) {
    if (!(error instanceof StoreUnavailable)) throw error;
    return refuse({ code: "store_unavailable", message: "The database cannot be reached: post again" });
  }
}

async function post(message: ServerMessage, store: Store, rooms: Rooms): Promise<Response> {
  const { user, body, client_id, subject, data, sender_name = "system" } = message;
  const actor = { id: SYSTEM_USER, name: sender_name };
  const direct = user === undefined ? undefined : await store.openDirect(actor, user);
  if (direct?.ok === false) return refuse(direct.error);
  const [written] = await store.post([{
    kind: "message",
    actor,
    room: direct?.value.room ?? message.room!,
    body,
    ...(client_id !== undefined && { client_id }),
    ...(subject !== undefined && { subject }),
    ...(data !== undefined && { data }),
  }]);
  if (!written!.ok) return refuse(written!.error);
  const { id, room, seq, created_at, event } = written!.value;
  if (event !== undefined) rooms.stored(event, direct?.value.epoch);
  else rooms.storedBefore(room, seq);
  // New: the user's connections do not know the room of the two yet.
  if (user !== undefined && direct?.ok && direct.value.head <= NEW_DIRECT_ROOM) rooms.membershipChanged(user);
  const ack: AckFrame = { type: "ack", ...(client_id !== undefined && { client_id }), id, room, seq, created_at };
  return Response.json(ack, { status: event === undefined ? 200 : 201 });
}

async function readMessage(request: Request): Promise<Result<ServerMessage, Failure>> {
  const text = await readText(request);
  if (text === undefined) return err({ code: "too_large", message: `A request may hold ${MAX_REQUEST_BYTES} bytes` });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return err({ code: "unprocessable", message: "The request is not JSON" });
  }
  const parsed = ServerMessage.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const code = issue?.code === "too_big" && issue.path[0] === "body" ? "too_large" : "unprocessable";
    return err({ code, message: `${issue?.path.join(".") || "the message"}: ${issue?.message}` });
  }
  if ((parsed.data.room === undefined) === (parsed.data.user === undefined)) {
    return err({ code: "unprocessable", message: "room, user: one of them is needed, and not both" });
  }
  return ok(parsed.data);
}

/** The body as text; `undefined` where it is longer than it may be, of which no more than that is read. */
async function readText(request: Request): Promise<string | undefined> {
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for await (const chunk of request.body ?? []) {
    bytes += chunk.length;
    if (bytes > MAX_REQUEST_BYTES) return undefined;
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}
