/** Sockets for handlers that speak plain HTTP. */
export type { Drain, DrainReason, Isolate, IsolateState } from "../isolate/isolate.ts";
export type { Failure } from "../protocol/codes.ts";
export type { ConnectionLimits, ErrorFrame } from "../protocol/connection_frames.ts";
export type { BufferBudget, BufferHolder } from "./buffer_budget.ts";
export { serveSockets } from "./serve_sockets.ts";
export type { ServeOptions, SocketContext, SocketHandler } from "./serve_sockets.ts";
export { type Metadata, type RelayOptions, relayTo } from "./relay_to.ts";
export { RateLimiter, type RateLimits } from "./rate_limiter.ts";
export { refuse } from "./refuse.ts";
export type {
  ClientMessage,
  CloseMessage,
  ControlMessage,
  FlushMessage,
  HandOverMessage,
  HeartbeatMessage,
  JoinMessage,
  LeaveMessage,
  SendMessage,
} from "./connection.ts";
export { type Timer, Timers } from "./timers.ts";
export type { SocketOptions } from "./socket_options.ts";
export { readSocketSettings, type SocketSettings } from "./read_socket_settings.ts";
