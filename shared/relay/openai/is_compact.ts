/** Deeper values are not looked at, so that no text can exhaust the stack. */
const MAX_DEPTH = 16;

/**
 * Whether `text`, from which `value` was parsed, says it as shortly as JSON can (RFC 8259 section 2): then no member stands
 * in it twice, and nothing is escaped. `false` as well where that is not known: with a number in it, or too deep.
 *
 * The length says so: a text holds each member and each element at least once, at its least length.
 */
export function isCompact(text: string, value: unknown): boolean {
  return leastLength(value, 0) === text.length;
}

function leastLength(value: unknown, depth: number): number {
  if (typeof value === "string") return value.length + 2;
  if (typeof value === "boolean") return value ? 4 : 5;
  if (value === null) return 4;
  // A number can be written in many ways, some of them shorter than the usual one.
  if (typeof value !== "object" || depth === MAX_DEPTH) return NaN;
  return Array.isArray(value) ? leastListLength(value, depth + 1) : leastObjectLength(value as Fields, depth + 1);
}

type Fields = Readonly<Record<string, unknown>>;

function leastListLength(values: readonly unknown[], depth: number): number {
  let length = Math.max(2, values.length + 1);
  for (const value of values) length += leastLength(value, depth);
  return length;
}

function leastObjectLength(object: Fields, depth: number): number {
  let length = 1;
  for (const name in object) length += name.length + 4 + leastLength(object[name], depth);
  return Math.max(2, length);
}
