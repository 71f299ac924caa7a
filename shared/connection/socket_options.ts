import { parseAllowedOrigins } from "../auth/parse_allowed_origins.ts";
import type { ConnectionLimits } from "../protocol/connection_frames.ts";

/** What `serveSockets` can be told. Every member has a default; a bad value is refused by name at start. */
export interface SocketOptions {
  /** Origins of pages that may connect, `*` for all. Default: none but the function's own, and callers without an origin. */
  allowedOrigins?: readonly string[];
  /** The largest frame that is read, in bytes; default 1 MiB. A larger one closes the connection with 1009. */
  maxFrameBytes?: number;
  /** Frames a second that a connection may send; default 100. */
  messagesPerSecond?: number;
  /** Frames that it may send at once; default twice the rate. */
  messageBurst?: number;
  /** Bytes a second that a connection may send; default 1 MiB. */
  bytesPerSecond?: number;
  /** Bytes that it may send at once; default four times the rate, and never less than a frame. */
  byteBurst?: number;
  /** Bytes that wait for a client that reads slowly before it is dropped with 1013; default 1 MiB. */
  maxBufferedBytes?: number;
  /**
   * Bytes that wait for all clients of this isolate together before those for whom most waits are dropped with 1013;
   * default 64 MiB, of the 256 MB that the platform gives an isolate. As much again may be held for sockets that were
   * closed, as the runtime frees nothing before TCP ends: then newcomers are refused with 1013.
   */
  maxBufferedBytesTotal?: number;
  /** Frames, and bytes, of a connection that its target has not handled yet before it is dropped with 1013; default 1,000 and 4 MiB. */
  maxInFlightMessages?: number;
  /** The bytes of those; default 4 MiB. */
  maxInFlightBytes?: number;
  /** Connections of this isolate, with those that have ended and for which something is held; default 5,000. */
  maxConnections?: number;
  /**
   * Connections of one user on this isolate, counted the same, by `metadata.user_id`; default 20, so that what one user
   * leaves unread is less than `maxBufferedBytesTotal`.
   */
  maxConnectionsPerUser?: number;
  /** After how much silence the runtime pings, and then gives up; in milliseconds, whole seconds, default 120,000. */
  idleTimeoutMs?: number;
  /** How often a target hears `ws.heartbeat` where `X-WS-Relay` does not say; in milliseconds, default 0: never. */
  heartbeatIntervalMs?: number;
  /** How long a client may send nothing at all before it is closed with 4408; in milliseconds, default 0: for ever. */
  maxSilenceMs?: number;
  /** How long a connection may live before it is handed over; in milliseconds, default 0: as long as the isolate. */
  maxLifetimeMs?: number;
}

/** The options with every default filled in. */
export type ResolvedSocketOptions = Required<SocketOptions>;

/** Fills in the defaults. Throws a `RangeError` that names the option, the rule and the value. */
export function resolveSocketOptions(options: SocketOptions = {}): ResolvedSocketOptions {
  const maxFrameBytes = whole("maxFrameBytes", options.maxFrameBytes ?? 1024 * 1024, 1);
  const messagesPerSecond = above0("messagesPerSecond", options.messagesPerSecond ?? 100);
  const bytesPerSecond = above0("bytesPerSecond", options.bytesPerSecond ?? 1024 * 1024);
  const maxBufferedBytes = whole("maxBufferedBytes", options.maxBufferedBytes ?? 1024 * 1024, 1);
  const resolved: ResolvedSocketOptions = {
    allowedOrigins: parseAllowedOrigins(options.allowedOrigins?.join(",")),
    maxFrameBytes,
    messagesPerSecond,
    messageBurst: whole("messageBurst", options.messageBurst ?? Math.ceil(2 * messagesPerSecond), 1),
    bytesPerSecond,
    byteBurst: whole("byteBurst", options.byteBurst ?? Math.ceil(Math.max(4 * bytesPerSecond, maxFrameBytes)), 1),
    maxBufferedBytes,
    maxBufferedBytesTotal: whole(
      "maxBufferedBytesTotal",
      options.maxBufferedBytesTotal ?? Math.max(64 * 1024 * 1024, maxBufferedBytes),
      1,
    ),
    maxInFlightMessages: whole("maxInFlightMessages", options.maxInFlightMessages ?? 1_000, 1),
    maxInFlightBytes: whole("maxInFlightBytes", options.maxInFlightBytes ?? 4 * 1024 * 1024, 1),
    maxConnections: whole("maxConnections", options.maxConnections ?? 5_000, 1),
    maxConnectionsPerUser: whole("maxConnectionsPerUser", options.maxConnectionsPerUser ?? 20, 1),
    idleTimeoutMs: whole("idleTimeoutMs", options.idleTimeoutMs ?? 120_000, 1_000),
    heartbeatIntervalMs: whole("heartbeatIntervalMs", options.heartbeatIntervalMs ?? 0, 0),
    maxSilenceMs: whole("maxSilenceMs", options.maxSilenceMs ?? 0, 0),
    maxLifetimeMs: whole("maxLifetimeMs", options.maxLifetimeMs ?? 0, 0),
  };
  if (resolved.byteBurst < maxFrameBytes) {
    refuse(
      "byteBurst",
      `at least maxFrameBytes (${maxFrameBytes}), or the largest frame could never pass`,
      resolved.byteBurst,
    );
  }
  if (resolved.idleTimeoutMs % 1_000 !== 0) refuse("idleTimeoutMs", "whole seconds", resolved.idleTimeoutMs);
  return resolved;
}

/** What a client is told about its limits. */
export function connectionLimits(options: ResolvedSocketOptions): ConnectionLimits {
  return {
    max_frame_bytes: options.maxFrameBytes,
    messages_per_second: options.messagesPerSecond,
    bytes_per_second: options.bytesPerSecond,
  };
}

function whole(name: string, value: number, least: number): number {
  if (!Number.isSafeInteger(value) || value < least) refuse(name, `a whole number >= ${least}`, value);
  return value;
}

function above0(name: string, value: number): number {
  if (!(value > 0 && Number.isFinite(value))) refuse(name, "a number > 0", value);
  return value;
}

function refuse(name: string, rule: string, value: unknown): never {
  throw new RangeError(`Cannot serve sockets as '${name}' must be ${rule}: current value is ${value}`);
}
