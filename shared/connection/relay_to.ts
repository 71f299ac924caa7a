import type { Pid } from "../process/mod.ts";
import { parseDurationMs } from "./duration.ts";

/** The header by which a handler hands a connection to a process. It never leaves the server. */
export const RELAY_HEADER = "X-WS-Relay";

/** The header that turns the connection's own frames off: see `RelayOptions.controlFrames`. It never leaves the server. */
export const CONTROL_FRAMES_HEADER = "X-WS-Control-Frames";

/** The topic on which a target hears of frames where `X-WS-Relay` names no other. */
export const MESSAGE_TOPIC = "ws.message";

/**
 * An object put on every message of a connection. Two members mean something to the connection itself as well:
 * `user_id`, by which connections per user are counted, and `expires_at` (ISO 8601), when the token ends: the client is
 * told 60 s before, and closed with 4401 then.
 */
export type Metadata = Readonly<Record<string, unknown>>;

/** What `X-WS-Relay` holds, as JSON. */
export interface Relay {
  readonly target_pid: Pid;
  /** Default `ws.message`. */
  readonly message_topic: string;
  /** How often the target hears `ws.heartbeat`: a duration such as `"30s"`; the server's own default where left out. */
  readonly heartbeat_interval?: string;
  /** Default `{}`. */
  readonly metadata: Metadata;
  /** See `RelayOptions.handsOver`. */
  readonly hands_over?: boolean;
}

/** How a connection is handed over. */
export interface RelayOptions {
  /** The topic of frames; default `ws.message`. */
  messageTopic?: string;
  /** How often the target hears `ws.heartbeat`: `"30s"`; default as the server says. */
  heartbeatInterval?: string;
  /** Put on every message of the connection. */
  metadata?: Metadata;
  /**
   * Whether the connection may send frames of its own (`error`, `reconnect`, `token_expiring`); default true. Without
   * them the client learns by the close code alone, which is what a stream of another protocol needs.
   */
  controlFrames?: boolean;
  /**
   * Whether the target is asked by `ws.hand_over` when the connection has to leave this isolate, and may take the grace of
   * the drain to come to an end of what it is at; default false: it hears of it by `ws.leave`.
   */
  handsOver?: boolean;
  /** The subprotocol to answer with, where it was offered; else the first that was offered and is no credential. */
  protocol?: string;
}

/** The answer of a handler that hands the connection to the process `target`. */
export function relayTo(target: Pid, options: RelayOptions = {}): Response {
  const relay = {
    target_pid: target,
    message_topic: options.messageTopic,
    heartbeat_interval: options.heartbeatInterval,
    metadata: options.metadata,
    hands_over: options.handsOver || undefined,
  };
  const response = new Response(null);
  const { headers } = response; // Headers made before and handed over cost ten times as much.
  headers.append(RELAY_HEADER, asciiJson(relay));
  if (options.controlFrames === false) headers.append(CONTROL_FRAMES_HEADER, "off");
  if (options.protocol !== undefined) headers.append("Sec-WebSocket-Protocol", options.protocol);
  return response;
}

/** Reads an `X-WS-Relay` header, defaults filled in. Throws where a handler wrote one that is not valid. */
export function parseRelay(header: string): Relay {
  const relay = JSON.parse(header) as Partial<Relay> | null;
  if (typeof relay !== "object" || relay === null) invalid("it", "a JSON object", header);
  const { target_pid, message_topic = MESSAGE_TOPIC, heartbeat_interval, metadata = {}, hands_over } = relay;
  if (typeof target_pid !== "string" || target_pid === "") invalid("target_pid", "a pid", target_pid);
  if (typeof message_topic !== "string" || message_topic === "") invalid("message_topic", "a topic", message_topic);
  if (typeof metadata !== "object" || metadata === null || Array.isArray(metadata)) {
    invalid("metadata", "an object", metadata);
  }
  if (hands_over !== undefined && typeof hands_over !== "boolean") invalid("hands_over", "true or false", hands_over);
  const optional = hands_over ? { hands_over } : {};
  if (heartbeat_interval === undefined) return { target_pid, message_topic, metadata, ...optional };
  if (typeof heartbeat_interval !== "string" || !parseDurationMs(heartbeat_interval)) {
    invalid("heartbeat_interval", 'a duration such as "30s"', heartbeat_interval);
  }
  return { target_pid, message_topic, heartbeat_interval, metadata, ...optional };
}

/** JSON in ASCII, since a header holds no other characters: a name in any script must pass. */
function asciiJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[\u007f-\uffff]/g,
    (unit) => "\\u" + unit.charCodeAt(0).toString(16).padStart(4, "0"),
  );
}

function invalid(name: string, rule: string, value: unknown): never {
  throw new TypeError(
    `Cannot relay as ${name} of ${RELAY_HEADER} must be ${rule}: current value is ${JSON.stringify(value)}`,
  );
}
