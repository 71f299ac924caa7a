/** What a chat server sends: one schema a frame. Frames of a room's log carry its `room` and `seq`; passing ones carry no `seq`. */
import * as z from "zod/mini";
import { Json } from "./chat_client_frames.ts";
import { ConnectionLimits, ErrorFrame, ReconnectFrame, TokenExpiringFrame } from "./connection_frames.ts";

const Timestamp = z.string();
const Seq = z.number();
/** The `ref` of the frame that is answered. */
const Ref = z.optional(z.string());

/** Who wrote something: the user's id, and the display name of the token it was written with. */
export const Sender = z.object({ id: z.string(), name: z.optional(z.string()) });
export type Sender = z.infer<typeof Sender>;

/** A message as it stands now: an edit changes `body` and `edited_at`, a deletion empties `body` and sets `deleted_at`. */
export const Message = z.object({
  id: z.string(),
  room: z.string(),
  seq: Seq,
  sender: Sender,
  /** The other user, in a room of two. */
  recipient: z.optional(z.string()),
  /** The room's id again, in any other room, under the name that community apps use. */
  community: z.optional(z.string()),
  subject: z.optional(z.string()),
  body: z.string(),
  data: z.optional(Json),
  reply_to: z.optional(z.string()),
  client_id: z.optional(z.string()),
  /** In `history`: read by the one who asks; for own messages, by anyone else. In `new_message` always false. */
  is_read: z.boolean(),
  read_at: z.nullable(Timestamp),
  created_at: Timestamp,
  updated_at: Timestamp,
  edited_at: z.optional(Timestamp),
  deleted_at: z.optional(Timestamp),
  /** User ids by emoji. */
  reactions: z.optional(z.record(z.string(), z.array(z.string()))),
});
export type Message = z.infer<typeof Message>;

export const NewMessageFrame = z.object({ type: z.literal("new_message"), message: Message });
export const MessageEditedFrame = z.object({
  type: z.literal("message_edited"),
  room: z.string(),
  seq: Seq,
  message_id: z.string(),
  user_id: z.string(),
  body: z.string(),
  edited_at: Timestamp,
});
export const MessageDeletedFrame = z.object({
  type: z.literal("message_deleted"),
  room: z.string(),
  seq: Seq,
  message_id: z.string(),
  user_id: z.string(),
  deleted_at: Timestamp,
});
export const ReactionFrame = z.object({
  type: z.literal("reaction"),
  room: z.string(),
  seq: Seq,
  message_id: z.string(),
  user_id: z.string(),
  emoji: z.string(),
  removed: z.boolean(),
});
export const MessageReadFrame = z.object({
  type: z.literal("message_read"),
  room: z.string(),
  seq: Seq,
  /** The newest message that `user_id` has read: everything before it is read as well. */
  message_id: z.string(),
  user_id: z.string(),
  read_at: Timestamp,
});
export const MemberFrame = z.object({
  type: z.literal("member"),
  room: z.string(),
  seq: Seq,
  user_id: z.string(),
  role: z.enum(["owner", "moderator", "member"]),
  change: z.enum(["added", "removed", "role"]),
});

/** A frame that shows one event of a room's log. */
export const LogFrame = z.discriminatedUnion("type", [
  NewMessageFrame,
  MessageEditedFrame,
  MessageDeletedFrame,
  ReactionFrame,
  MessageReadFrame,
  MemberFrame,
]);
export type LogFrame = z.infer<typeof LogFrame>;

/** One user who is in a room now, over all isolates. */
export const PresentMember = z.object({
  user_id: z.string(),
  name: z.optional(z.string()),
  connections: z.number(),
});
export type PresentMember = z.infer<typeof PresentMember>;

export const ChatConnectionFrame = z.object({
  type: z.literal("connection"),
  message: z.literal("connected"),
  user_id: z.string(),
  /** The room of the connection; the inbox has none. */
  room: z.optional(z.string()),
  /** The same as `room`, under the name that community apps use. */
  community_id: z.optional(z.string()),
  /** Names this client over its reconnects: what it gave as `&session=`, or a new one. */
  session: z.string(),
  seq: z.optional(Seq),
  epoch: z.optional(z.string()),
  /** Whether everything since the position that the client gave follows. */
  resumed: z.boolean(),
  /** The other rooms whose events come, and from where on: say `resume` first to get them from where the client stands. */
  rooms: z.optional(z.record(z.string(), z.object({ seq: Seq, epoch: z.string() }))),
  /** How many more there are, whose events do not come unless they are joined. */
  rooms_left_out: z.optional(z.number()),
  expires_at: Timestamp,
  /** The isolate that it landed on, and how long that has lived, in milliseconds. */
  isolate: z.string(),
  age_ms: z.number(),
  /** How long this connection may be expected to live, in milliseconds. */
  lifetime_ms: z.number(),
  limits: ConnectionLimits,
});
export type ChatConnectionFrame = z.infer<typeof ChatConnectionFrame>;

export const PongFrame = z.object({ type: z.literal("pong"), ref: Ref });
export const AckFrame = z.object({
  type: z.literal("ack"),
  client_id: z.optional(z.string()),
  ref: Ref,
  /** The message's id. */
  id: z.string(),
  room: z.string(),
  seq: Seq,
  created_at: Timestamp,
});
export type AckFrame = z.infer<typeof AckFrame>;
export const JoinedFrame = z.object({
  type: z.literal("joined"),
  room: z.string(),
  seq: Seq,
  epoch: z.string(),
  resumed: z.boolean(),
  /** Left out of a room of many, and while other isolates are still asked who is there: a `presence` with the `state` follows. */
  members: z.optional(z.array(PresentMember)),
  ref: Ref,
});
export type JoinedFrame = z.infer<typeof JoinedFrame>;
export const LeftFrame = z.object({ type: z.literal("left"), room: z.string(), ref: Ref });
export const PresenceFrame = z.object({
  type: z.literal("presence"),
  room: z.string(),
  /** Who is here, in the place of what was known; sent on joining. */
  state: z.optional(z.array(PresentMember)),
  /** With `state`: how many more are here than the list names, which are 500 at most. */
  members_left_out: z.optional(z.number()),
  /** Who came, and who went, since. */
  joined: z.optional(z.array(PresentMember)),
  /** Right behind a `state`: those `joined` belong to the same list, as one frame holds only so many. */
  already: z.optional(z.literal(true)),
  left: z.optional(z.array(PresentMember)),
});
export const UnreadCountFrame = z.object({
  type: z.literal("unread_count"),
  count: z.number(),
  room: z.optional(z.string()),
  /** With `room`: where its log ended when this was counted. A count with a lower one is older; what came later is not in it. */
  as_of: z.optional(Seq),
  ref: Ref,
});
export const HistoryPageFrame = z.object({
  type: z.literal("history"),
  room: z.string(),
  /** Oldest first. */
  messages: z.array(Message),
  /** Whether there are older ones: ask again with `before` set to the first `seq`. */
  more: z.boolean(),
  ref: Ref,
});
export const ResyncFrame = z.object({ type: z.literal("resync"), room: z.string(), reason: z.string() });
export const TypingNoticeFrame = z.object({
  type: z.literal("typing"),
  room: z.string(),
  user_id: z.string(),
  name: z.optional(z.string()),
});
export const SignalNoticeFrame = z.object({
  type: z.literal("signal"),
  room: z.string(),
  user_id: z.string(),
  data: Json,
});
export const RefreshedFrame = z.object({ type: z.literal("refreshed"), expires_at: Timestamp, ref: Ref });
/** Events that became deliverable together, for a connection that asked with `&batch=1`. */
export const BatchFrame = z.object({ type: z.literal("batch"), events: z.array(LogFrame) });

/** Any frame that a chat server sends. */
export const ChatServerFrame = z.discriminatedUnion("type", [
  NewMessageFrame,
  MessageEditedFrame,
  MessageDeletedFrame,
  ReactionFrame,
  MessageReadFrame,
  MemberFrame,
  ChatConnectionFrame,
  PongFrame,
  AckFrame,
  JoinedFrame,
  LeftFrame,
  PresenceFrame,
  UnreadCountFrame,
  HistoryPageFrame,
  ResyncFrame,
  TypingNoticeFrame,
  SignalNoticeFrame,
  RefreshedFrame,
  BatchFrame,
  ErrorFrame,
  ReconnectFrame,
  TokenExpiringFrame,
]);
export type ChatServerFrame = z.infer<typeof ChatServerFrame>;
