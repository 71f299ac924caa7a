/** What a chat client may send: one schema a frame, `type` tells which. Unknown members are dropped, so that older servers bear newer clients. */
import * as z from "zod/mini";
import { MAX_BODY_LENGTH, MAX_EPOCH_LENGTH, MAX_REFERENCE_LENGTH, ROOM_ID } from "./chat_limits.ts";

/** See `ROOM_ID`. */
export const RoomId = z.string().check(
  z.regex(ROOM_ID, "must be 1 to 128 letters, digits, '.', '_', ':' or '-'"),
);

const UserId = z.uuid();
const MessageId = z.uuid();
const ClientId = z.string().check(z.minLength(1), z.maxLength(MAX_REFERENCE_LENGTH));
/** Any JSON. A frame that was read from JSON holds nothing else: to look through it all would cost more than the rest. */
export const Json: z.ZodMiniType<z.core.util.JSONType> = z.custom((value) => value !== undefined);
const Ref = z.optional(z.string().check(z.maxLength(MAX_REFERENCE_LENGTH)));
const Body = z.string().check(z.minLength(1), z.maxLength(MAX_BODY_LENGTH));
const Seq = z.int().check(z.nonnegative());
const Epoch = z.string().check(z.maxLength(MAX_EPOCH_LENGTH));

/** Where in a room's log a client stands: it has everything up to and including `since` of the log `epoch`. */
export const Position = z.object({ since: Seq, epoch: z.optional(Epoch) });
export type Position = z.infer<typeof Position>;

export const PingFrame = z.object({ type: z.literal("ping"), ref: Ref });

const content = {
  body: z.optional(Body),
  /** Accepted for `body`, as the plain chat examples send it. */
  text: z.optional(Body),
  client_id: z.optional(ClientId),
  subject: z.optional(z.string().check(z.maxLength(256))),
  /** Anything of the application's own, stored with the message. */
  data: z.optional(Json),
  ref: Ref,
};
export const ChatFrame = z.object({
  type: z.literal("chat"),
  ...content,
  room: z.optional(RoomId),
  reply_to: z.optional(MessageId),
});
export const DirectMessageFrame = z.object({ type: z.literal("dm"), to: UserId, ...content });

export const EditFrame = z.object({ type: z.literal("edit"), message_id: MessageId, body: Body, ref: Ref });
export const DeleteFrame = z.object({ type: z.literal("delete"), message_id: MessageId, ref: Ref });
export const ReactFrame = z.object({
  type: z.literal("react"),
  message_id: MessageId,
  emoji: z.string().check(z.minLength(1), z.maxLength(32)),
  remove: z.optional(z.boolean()),
  ref: Ref,
});

export const MarkReadFrame = z.object({ type: z.literal("mark_read"), message_id: MessageId, ref: Ref });
export const GetUnreadCountFrame = z.object({
  type: z.literal("get_unread_count"),
  room: z.optional(RoomId),
  /** The alias of `room` that community apps use. */
  community_id: z.optional(RoomId),
  ref: Ref,
});
export const HistoryFrame = z.object({
  type: z.literal("history"),
  room: z.optional(RoomId),
  /** Messages with a smaller `seq` than this; the newest ones where it is left out. */
  before: z.optional(Seq),
  limit: z.optional(z.int().check(z.gte(1), z.lte(200))),
  ref: Ref,
});

export const JoinFrame = z.object({
  type: z.literal("join"),
  room: RoomId,
  since: z.optional(Seq),
  epoch: z.optional(Epoch),
  ref: Ref,
});
export const LeaveFrame = z.object({ type: z.literal("leave"), room: RoomId, ref: Ref });
export const ResumeFrame = z.object({ type: z.literal("resume"), rooms: z.record(RoomId, Position), ref: Ref });

export const TypingFrame = z.object({ type: z.literal("typing"), room: z.optional(RoomId), ref: Ref });
export const SignalFrame = z.object({
  type: z.literal("signal"),
  data: Json,
  room: z.optional(RoomId),
  /** One member of the room; all the others where it is left out. */
  to: z.optional(UserId),
  ref: Ref,
});

export const RefreshFrame = z.object({
  type: z.literal("refresh"),
  jwt: z.string().check(z.minLength(1), z.maxLength(8192)),
  ref: Ref,
});

/** Any frame that a chat client may send. */
export const ChatClientFrame = z.discriminatedUnion("type", [
  PingFrame,
  ChatFrame,
  DirectMessageFrame,
  EditFrame,
  DeleteFrame,
  ReactFrame,
  MarkReadFrame,
  GetUnreadCountFrame,
  HistoryFrame,
  JoinFrame,
  LeaveFrame,
  ResumeFrame,
  TypingFrame,
  SignalFrame,
  RefreshFrame,
]);
export type ChatClientFrame = z.infer<typeof ChatClientFrame>;

/** A chat client's frame of one type. */
export type ChatClientFrameOf<T extends ChatClientFrame["type"]> = Extract<ChatClientFrame, { type: T }>;
