/** The frames that every function sends, whatever it does: they belong to the connection, not to what runs over it. */
import * as z from "zod/mini";

/** What a connection may send before it is refused: told to the client, so that it need not find out. */
export const ConnectionLimits = z.object({
  /** The largest frame that is read, in bytes of its payload. */
  max_frame_bytes: z.number(),
  /** Sustained rate; a burst above it is allowed for a moment. */
  messages_per_second: z.number(),
  bytes_per_second: z.number(),
});
export type ConnectionLimits = z.infer<typeof ConnectionLimits>;

/** Something was refused. The connection stays unless a close frame follows. */
export const ErrorFrame = z.object({
  type: z.literal("error"),
  /** One of `ERROR_CODES`. */
  code: z.string(),
  message: z.string(),
  /** What it answers: the frame's `ref`, else its `client_id`. */
  ref: z.optional(z.string()),
  /** Where waiting helps: how long, in milliseconds. */
  retry_after_ms: z.optional(z.number()),
});
export type ErrorFrame = z.infer<typeof ErrorFrame>;

/** Hand over: open the next socket after `after_ms`, then close this one. */
export const ReconnectFrame = z.object({
  type: z.literal("reconnect"),
  after_ms: z.number(),
  reason: z.string(),
});
export type ReconnectFrame = z.infer<typeof ReconnectFrame>;

/** The token expires soon: send `refresh`, or come back with a fresh one before the socket closes 4401. */
export const TokenExpiringFrame = z.object({
  type: z.literal("token_expiring"),
  expires_at: z.string(),
});
export type TokenExpiringFrame = z.infer<typeof TokenExpiringFrame>;

/** The first frame of an `echo` connection. */
export const EchoConnectionFrame = z.object({
  type: z.literal("connection"),
  message: z.literal("connected"),
  isolate: z.string(),
  /** How long the isolate has lived, and how long it still serves, both in milliseconds. */
  age_ms: z.number(),
  lifetime_ms: z.number(),
  region: z.nullable(z.string()),
  limits: ConnectionLimits,
  /** Present where a token was given. */
  user_id: z.optional(z.string()),
  name: z.optional(z.string()),
  expires_at: z.optional(z.string()),
});
export type EchoConnectionFrame = z.infer<typeof EchoConnectionFrame>;
