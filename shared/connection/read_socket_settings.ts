import { parseAllowedOrigins } from "../auth/parse_allowed_origins.ts";
import type { ServeOptions } from "./serve_sockets.ts";
import type { SocketOptions } from "./socket_options.ts";

/** What the environment says of sockets and of the isolate they live on. */
export interface SocketSettings {
  /** For `serveSockets`. */
  readonly sockets: SocketOptions & Pick<ServeOptions, "projectUrl">;
  /** For `Isolate`. */
  readonly isolate: { readonly wallClockMs?: number; readonly region: string | null };
}

/** Each number a deployer may set, and the option it sets. */
const NUMBERS = {
  MAX_FRAME_BYTES: "maxFrameBytes",
  MESSAGES_PER_SECOND: "messagesPerSecond",
  MESSAGE_BURST: "messageBurst",
  BYTES_PER_SECOND: "bytesPerSecond",
  BYTE_BURST: "byteBurst",
  MAX_BUFFERED_BYTES: "maxBufferedBytes",
  MAX_BUFFERED_BYTES_TOTAL: "maxBufferedBytesTotal",
  MAX_CONNECTIONS: "maxConnections",
  MAX_CONNECTIONS_PER_USER: "maxConnectionsPerUser",
  IDLE_TIMEOUT_MS: "idleTimeoutMs",
  HEARTBEAT_INTERVAL_MS: "heartbeatIntervalMs",
  MAX_SILENCE_MS: "maxSilenceMs",
  MAX_LIFETIME_MS: "maxLifetimeMs",
} as const satisfies Record<string, keyof SocketOptions>;

/**
 * Reads the settings of sockets from environment variables: those above, `ALLOWED_ORIGINS`, `ISOLATE_WALL_CLOCK_MS`
 * and the platform's `SB_REGION` and `SUPABASE_URL` (`SUPABASE_PUBLIC_URL` where that differs). Throws a `RangeError` that
 * names the variable.
 */
export function readSocketSettings(
  env: Readonly<Record<string, string>>,
  defaults: SocketOptions = {},
): SocketSettings {
  const projectUrl = env.SUPABASE_PUBLIC_URL ?? env.SUPABASE_URL ?? "";
  const sockets: SocketSettings["sockets"] = {
    ...defaults,
    allowedOrigins: parseAllowedOrigins(env.ALLOWED_ORIGINS),
    ...(URL.canParse(projectUrl) && { projectUrl: new URL(projectUrl) }),
  };
  for (const [name, option] of Object.entries(NUMBERS)) {
    const value = readNumber(env, name);
    if (value !== undefined) sockets[option] = value;
  }
  const wallClockMs = readNumber(env, "ISOLATE_WALL_CLOCK_MS");
  return { sockets, isolate: { region: env.SB_REGION ?? null, ...(wallClockMs !== undefined && { wallClockMs }) } };
}

function readNumber(env: Readonly<Record<string, string>>, name: string): number | undefined {
  const raw = env[name]?.trim();
  if (!raw) return undefined;
  const value = Number(raw);
  if (!(value >= 0 && Number.isFinite(value))) {
    throw new RangeError(`Cannot start as ${name} must be a number >= 0: current value is "${raw}"`);
  }
  return value;
}
