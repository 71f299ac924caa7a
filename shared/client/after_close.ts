import { type ErrorCode, retryAfter } from "../protocol/codes.ts";
import { ChatError, type ClientErrorCode } from "./chat_error.ts";

/** How a connection ended: its close code (1006 where there was none), and the `error` frame just before it, or what was thrown. */
export interface LinkEnd {
  readonly code: number;
  readonly reason: string;
  readonly failure?: { readonly code: string; readonly message: string };
  readonly cause?: unknown;
}

/** What there is to know before deciding. */
export interface CloseContext {
  /** Whether `token` is a function, so that a fresh one can be had. */
  readonly canRenewToken: boolean;
  /** How many tokens in a row were refused before this one. */
  readonly refusedTokens: number;
}

/** What a client does after its connection has ended; a stop without an error is an end as it should be. */
export type AfterClose =
  | { readonly step: "retry"; readonly newToken: boolean; readonly error: ChatError }
  | { readonly step: "stop"; readonly error?: ChatError };

/** Decides by the table of close codes. A second token in a row that is refused ends it, and so does the first that cannot be replaced. */
export function afterClose(end: LinkEnd, { canRenewToken, refusedTokens }: CloseContext): AfterClose {
  const retry = retryAfter(end.code);
  if (end.code === 1000) return { step: "stop" };
  const error = errorOf(end, retry === "stop" ? "refused" : "lost");
  if (retry === "retry") return { step: "retry", newToken: false, error };
  if (retry === "stop" || !canRenewToken || refusedTokens > 0) return { step: "stop", error };
  return { step: "retry", newToken: true, error };
}

function errorOf({ code: closeCode, reason, failure, cause }: LinkEnd, otherwise: ClientErrorCode): ChatError {
  if (cause instanceof ChatError) return cause;
  const code = failure?.code as ErrorCode | undefined;
  const message = failure?.message ?? (reason || `The connection ended with code ${closeCode}`);
  const fallback = closeCode === 4401 ? "unauthorized" : otherwise;
  return new ChatError(code ?? fallback, message, { closeCode, ...(cause !== undefined && { cause }) });
}
