import { closeCodeFor, ERROR_CODES, type ErrorCode, type Failure } from "../protocol/codes.ts";

/** Problem details of RFC 9457, with the error code of `ERROR_CODES` that clients read. */
export interface Problem {
  readonly type: "about:blank";
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: string;
}

/**
 * The answer of a handler that turns a request down: problem JSON (RFC 9457) with the status of the failure's code. To
 * a caller who wanted a socket, `serveSockets` makes of it an `error` frame and a close.
 */
export function refuse(failure: Failure, extra: Record<string, unknown> = {}, headers: HeadersInit = {}): Response {
  const { status, title } = ERROR_CODES[failure.code];
  const problem = { type: "about:blank", title, status, detail: failure.message, code: failure.code, ...extra };
  const response = Response.json(problem, { status, headers });
  response.headers.set("Content-Type", "application/problem+json");
  return response;
}

/** A refusal as a socket can carry it. */
export interface Refusal {
  readonly closeCode: number;
  readonly code: string;
  readonly message: string;
}

/** What a handler's answer with a status of 400 or more tells a caller who wanted a socket. */
export async function refusalOf(response: Response): Promise<Refusal> {
  const closeCode = closeCodeFor(response.status);
  const { code, detail } = await readProblem(response);
  return {
    closeCode,
    code: typeof code === "string" ? code : codeOf(response.status),
    message: typeof detail === "string" ? detail : `The request was refused with status ${response.status}`,
  };
}

/** The members of a problem, of any type or missing. */
async function readProblem(response: Response): Promise<{ [member in keyof Problem]?: unknown }> {
  if (!response.headers.get("Content-Type")?.startsWith("application/problem+json")) {
    await response.body?.cancel();
    return {};
  }
  try {
    return await response.json() ?? {};
  } catch {
    return {}; // A handler's malformed problem still refuses; the status says enough.
  }
}

function codeOf(status: number): ErrorCode {
  const entries = Object.entries(ERROR_CODES) as [ErrorCode, { status: number }][];
  return entries.find(([, entry]) => entry.status === status)?.[0] ?? (status >= 500 ? "internal" : "bad_request");
}
