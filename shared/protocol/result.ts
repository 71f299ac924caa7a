/** What an operation gives whose failure is expected: a value, or an error as a value. Bugs and bad settings throw instead. */
export type Result<T, E> = { ok: true; value: T } | { ok: false; error: E };

/** A success that carries `value`. */
export function ok<T>(value: T): { ok: true; value: T } {
  return { ok: true, value };
}

/** An expected failure that carries `error`. */
export function err<E>(error: E): { ok: false; error: E } {
  return { ok: false, error };
}
