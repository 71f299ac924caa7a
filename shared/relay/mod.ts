/** Pipes from clients to the upstreams of an allow-list, with the credentials on the server. */
export { createRelay, type RelayOptions } from "./create_relay.ts";
export { type PipeLimits } from "./pipe.ts";
export { readRelaySettings, type RelaySettings } from "./read_relay_settings.ts";
export { RelayMetrics } from "./relay_metrics.ts";
export { readsErrorFrames, supabaseUpstream } from "./supabase_upstream.ts";
export { type Upstream } from "./upstream.ts";
