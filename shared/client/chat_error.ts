import { type ErrorCode, isRetryableError } from "../protocol/codes.ts";

/**
 * What goes wrong without a server saying so: the client was closed (`closed`), the connection ended or never came about
 * (`lost`), the server closed it for good without an error code (`refused`), the application's `token` failed
 * (`token_failed`), no answer came in time (`timeout`), the outbox is full (`outbox_full`) or its storage failed
 * (`storage_failed`).
 */
export type ClientErrorCode =
  | "closed"
  | "lost"
  | "refused"
  | "token_failed"
  | "timeout"
  | "outbox_full"
  | "storage_failed";

/** What a `ChatError` can be told beside its code and message. */
export interface ChatErrorOptions extends ErrorOptions {
  /** The close code of the socket, where it ended with one. */
  readonly closeCode?: number;
}

/** Why something did not happen. `code` is the server's (`ERROR_CODES`) or one of the client's own. */
export class ChatError extends Error {
  /** By which it is told from other errors. */
  override readonly name = "ChatError";
  /** The server's error code, or the client's own. */
  readonly code: ErrorCode | ClientErrorCode;
  /** The close code that brought it, where one did. */
  readonly closeCode: number | undefined;

  /** Made by the client. */
  constructor(code: ErrorCode | ClientErrorCode, message: string, { closeCode, ...options }: ChatErrorOptions = {}) {
    super(message, options);
    this.code = code;
    this.closeCode = closeCode;
  }

  /** Whether the same may succeed later. */
  get isRetryable(): boolean {
    return isRetryable(this.code);
  }
}

const RETRYABLE_HERE: ReadonlySet<string> = new Set<ClientErrorCode>([
  "lost",
  "token_failed",
  "timeout",
  "outbox_full",
]);

/** Whether what was refused with `code` may succeed later; a code that nobody knows counts as final. */
export function isRetryable(code: string): boolean {
  return isRetryableError(code) || RETRYABLE_HERE.has(code);
}
