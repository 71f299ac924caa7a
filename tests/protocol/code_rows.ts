import { type CloseCodeEntry, type ErrorCodeEntry, isRetryableError, retryAfter } from "../../shared/protocol/codes.ts";

const ACTIONS = { retry: "comes back", retry_with_new_token: "comes back with a fresh token", stop: "stops" };

/** The rows of the table of close codes in docs/protocol.md. */
export function closeCodeRows(codes: Readonly<Record<number, CloseCodeEntry>>): string[] {
  return Object.entries(codes).map(([code, { name, meaning }]) =>
    `| ${code} | ${name} | ${ACTIONS[retryAfter(Number(code))]} | ${meaning} |`
  );
}

/** The rows of the table of error codes in docs/protocol.md. */
export function errorCodeRows(codes: Readonly<Record<string, ErrorCodeEntry>>): string[] {
  return Object.entries(codes).map(([code, { status, title }]) =>
    `| \`${code}\` | ${status} | ${isRetryableError(code) ? "yes" : "no"} | ${title} |`
  );
}
