import { fromBase64, toBase64 } from "../protocol/base64.ts";

const BYTES = "$bytes";

/** A payload as text: JSON, in which bytes stand as base64. */
export function encodePayload(payload: unknown): string {
  return JSON.stringify(payload, (_key, value) => {
    if (value instanceof ArrayBuffer) return { [BYTES]: toBase64(new Uint8Array(value)) };
    if (value instanceof Uint8Array) return { [BYTES]: toBase64(value) };
    return value;
  });
}

/** The payload in a text; `undefined` for a text that holds none. */
export function decodePayload(text: string): unknown {
  try {
    return JSON.parse(text, (_key, value) => isBytes(value) ? fromBase64(value[BYTES]) : value);
  } catch {
    return undefined; // What comes over the bus may be lost, so what is broken is as good as lost.
  }
}

function isBytes(value: unknown): value is { [BYTES]: string } {
  return typeof value === "object" && value !== null && Object.keys(value).length === 1 &&
    typeof (value as Record<string, unknown>)[BYTES] === "string";
}
