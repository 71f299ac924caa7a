/**
 * Every code that crosses the wire, in one place: the close codes of a socket, the error codes of a frame or of problem
 * JSON, and which of the first a refusal with the second becomes.
 */

/** What a client does after a close code: come back, come back with a fresh token, or give up. */
export type Retry = "retry" | "retry_with_new_token" | "stop";

/** What a close code says. */
export interface CloseCodeEntry {
  /** The name used in logs and docs. */
  readonly name: string;
  readonly meaning: string;
}

/**
 * The close codes that the functions send, and those a client sees without one having been sent (1001, 1005, 1006).
 * Below 4000 they have the meaning of RFC 6455 section 7.4 and the IANA registry.
 */
export const CLOSE_CODES = {
  1000: { name: "done", meaning: "The conversation ended as it should." },
  1001: { name: "going_away", meaning: "The peer went away, or the runtime gave up an idle socket." },
  1005: { name: "no_status", meaning: "The socket was closed without a code." },
  1006: {
    name: "lost",
    meaning: "The connection broke without a close frame: network, or a killed isolate.",
  },
  1008: { name: "policy", meaning: "The request is against a rule of the server." },
  1009: { name: "too_big", meaning: "A frame or a request was larger than the limit." },
  1011: { name: "internal", meaning: "The server failed." },
  1012: { name: "hand_over", meaning: "This isolate ends: the next socket reaches another one." },
  1013: { name: "try_again_later", meaning: "Overload, a reader too slow, or Auth out of reach." },
  4400: {
    name: "bad_request",
    meaning: "A request or too many frames in a row could not be understood.",
  },
  4401: { name: "unauthorized", meaning: "The token is missing, refused or expired." },
  4402: { name: "budget_exceeded", meaning: "What the user may use in a day is used up." },
  4403: { name: "forbidden", meaning: "The origin, the room or the role is not allowed." },
  4404: { name: "not_found", meaning: "There is no such room or upstream." },
  4408: { name: "heartbeat_missed", meaning: "The client was silent for too long." },
  4409: { name: "taken_over", meaning: "Another connection goes on with this session." },
  4429: { name: "rate_limited", meaning: "Too many frames, bytes or connections." },
  4502: { name: "upstream_failed", meaning: "The upstream refused, failed or broke off." },
  4504: { name: "upstream_timeout", meaning: "The upstream did not open in time." },
} as const satisfies Record<number, CloseCodeEntry>;

/** A close code of the table. */
export type CloseCode = keyof typeof CLOSE_CODES;

// Apart from the tables, whose sentences a browser need not load for it.
const STOP_AFTER: ReadonlySet<number> = new Set<CloseCode>([1000, 1008, 1009, 4400, 4402, 4403, 4404, 4409]);
const NEW_TOKEN_AFTER: ReadonlySet<number> = new Set<CloseCode>([4401]);

/**
 * What a client does after `code`. A code that is not in the table (another server's, a proxy's) counts as `retry`, as a
 * lost connection is the likeliest cause.
 */
export function retryAfter(code: number): Retry {
  if (STOP_AFTER.has(code)) return "stop";
  return NEW_TOKEN_AFTER.has(code) ? "retry_with_new_token" : "retry";
}

/** What an error code says. */
export interface ErrorCodeEntry {
  /** The HTTP status of the problem JSON that carries it. */
  readonly status: number;
  /** The sentence for people, used as the problem's title. */
  readonly title: string;
}

/** The error codes of `error` frames and of problem JSON (its member `code`). */
export const ERROR_CODES = {
  bad_request: { status: 400, title: "The request is not valid" },
  bad_frame: { status: 400, title: "The frame is not valid" },
  unauthorized: { status: 401, title: "The token is missing or refused" },
  token_expired: { status: 401, title: "The token has expired" },
  budget_exceeded: { status: 402, title: "The budget of this day is used up" },
  forbidden: { status: 403, title: "This is not allowed" },
  origin_forbidden: { status: 403, title: "Pages of this origin may not connect" },
  not_found: { status: 404, title: "There is nothing here" },
  room_not_found: { status: 404, title: "There is no such room" },
  message_not_found: { status: 404, title: "There is no such message" },
  upstream_not_found: { status: 404, title: "There is no such upstream" },
  method_not_allowed: { status: 405, title: "This method is not allowed here" },
  too_large: { status: 413, title: "This is larger than the limit" },
  unprocessable: { status: 422, title: "The content is not valid" },
  upgrade_required: { status: 426, title: "This is a WebSocket endpoint" },
  rate_limited: { status: 429, title: "Too many frames or bytes" },
  too_many_connections: { status: 429, title: "Too many connections" },
  too_many_sessions: { status: 429, title: "Too many sessions at once" },
  internal: { status: 500, title: "The server failed" },
  upstream_failed: { status: 502, title: "The upstream failed" },
  auth_unavailable: { status: 503, title: "The Auth server cannot be reached" },
  store_unavailable: { status: 503, title: "The database cannot be reached" },
  isolate_draining: { status: 503, title: "This isolate is about to end" },
  overloaded: { status: 503, title: "The server is overloaded" },
  slow_reader: { status: 503, title: "The client reads too slowly" },
  upstream_timeout: { status: 504, title: "The upstream did not open in time" },
  heartbeat_missed: { status: 408, title: "The client was silent for too long" },
} as const satisfies Record<string, ErrorCodeEntry>;

/** An error code of the table. */
export type ErrorCode = keyof typeof ERROR_CODES;

const RETRYABLE: ReadonlySet<string> = new Set<ErrorCode>([
  "rate_limited",
  "too_many_connections",
  "too_many_sessions",
  "internal",
  "upstream_failed",
  "auth_unavailable",
  "store_unavailable",
  "isolate_draining",
  "overloaded",
  "slow_reader",
  "upstream_timeout",
  "heartbeat_missed",
]);

/** Whether what was refused with an error code may succeed later. A code that is not in the table counts as final. */
export function isRetryableError(code: string): boolean {
  return RETRYABLE.has(code);
}

/** An expected failure on its way to a client: its code, and a sentence that holds no secret. */
export interface Failure {
  /** Which of the table. */
  readonly code: ErrorCode;
  /** What to tell. */
  readonly message: string;
}

const CLOSE_CODE_BY_STATUS: Readonly<Record<number, CloseCode>> = {
  400: 4400,
  401: 4401,
  402: 4402,
  403: 4403,
  404: 4404,
  408: 4408,
  413: 1009,
  429: 4429,
  502: 4502,
  503: 1013,
  504: 4504,
};

/** The close code by which a refusal with an HTTP status reaches a browser, which never sees the status itself. */
export function closeCodeFor(status: number): CloseCode {
  return CLOSE_CODE_BY_STATUS[status] ?? (status >= 500 ? 1011 : 1008);
}
