/** Pipes from clients to the upstreams of an allow-list, with the credentials on the server. */
export { createRelay, type RelayOptions } from "./create_relay.ts";
export { type PipeLimits } from "./pipe.ts";
export type { Failure } from "../protocol/codes.ts";
export type { ErrorFrame } from "../protocol/connection_frames.ts";
export type { Result } from "../protocol/result.ts";
export type { Departure, Interceptor, PipeEnds } from "./interceptor.ts";
export type { FrameData } from "./frame_queue.ts";
export type { ReadTextFile } from "./openai/read_openai_policy.ts";
export {
  type Environment,
  type OpenAiSessionSettings,
  readRelaySettings,
  type RelaySettings,
} from "./read_relay_settings.ts";
export { refusalFrame } from "./refusal_frame.ts";
export { RelayMetrics, UpstreamCounters } from "./relay_metrics.ts";
export { type SupabaseSettings, supabaseUpstream } from "./supabase_upstream.ts";
export type { PipedClient, Upstream, UpstreamAddress } from "./upstream.ts";
