/** An error as both database drivers throw it. */
interface DatabaseError {
  code: string;
  message: string;
  detail?: string | null;
  hint?: string | null;
}

/**
 * Prepares an error for Supabase Lite, which writes it to the console and answers with it: an error that is an answer
 * (a SQLSTATE, an unknown table) takes one line there, any other keeps its stack.
 */
export function normalizeDatabaseError(error: unknown): unknown {
  const answer = asPostgrestError(error);
  if (answer instanceof Error && (isDatabaseError(error) || "relation" in answer)) {
    const { code = "unknown relation", message } = error as { code?: string; message: string };
    Object.assign(answer, { [Symbol.for("Deno.customInspect")]: () => `[rest] ${code}: ${message}` });
  }
  return answer;
}

/**
 * Turns a database error that Supabase Lite would answer with 500 `SUP` into one that it answers as PostgREST does: the
 * SQLSTATE as `code`, with message, details and hint, and the status of PostgREST's table (400 for `raise exception`).
 * Other errors come back as they are: Lite knows them, or they are no database errors.
 *
 * It takes the form of `raise sqlstate 'PGRST'`, by which a function in SQL chooses its own response
 * (https://postgrest.org/en/stable/references/errors.html).
 */
export function asPostgrestError(error: unknown): unknown {
  if (!isDatabaseError(error) || isKnownToLite(error.code)) return error;
  const { code, message, detail, hint } = error;
  return Object.assign(new Error(JSON.stringify({ code, message, details: detail ?? null, hint: hint ?? null })), {
    code: "PGRST",
    detail: JSON.stringify({ status: statusFor(code), headers: {} }),
  });
}

/** PostgREST's status for a SQLSTATE that Lite has none for. */
export function statusFor(sqlstate: string): number {
  if (sqlstate === "P0001") return 400;
  if (sqlstate === "53400") return 500;
  return STATUS_BY_CLASS[sqlstate.slice(0, 2)] ?? 400;
}

const STATUS_BY_CLASS: Readonly<Record<string, number>> = {
  "08": 503,
  "09": 500,
  "0L": 403,
  "0P": 403,
  "25": 500,
  "28": 403,
  "2D": 500,
  "38": 500,
  "39": 500,
  "3B": 500,
  "40": 500,
  "53": 503,
  "54": 500,
  "55": 500,
  "57": 500,
  "58": 500,
  "F0": 500,
  "HV": 500,
  "P0": 500,
  "XX": 500,
};

/** Codes and classes that Lite itself answers as PostgREST does. */
const KNOWN_TO_LITE = /^(42|22|21|55|53|23502|23503|23505|25006|PGRST|PT)/;

function isKnownToLite(code: string): boolean {
  return KNOWN_TO_LITE.test(code);
}

function isDatabaseError(error: unknown): error is DatabaseError {
  return error instanceof Error && "code" in error && typeof error.code === "string" &&
    /^[0-9A-Z]{5}$/.test(error.code);
}
