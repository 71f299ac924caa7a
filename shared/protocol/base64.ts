/** Bytes as base64 (RFC 4648 section 4). */
export function toBase64(bytes: Uint8Array): string {
  const parts: string[] = [];
  // In chunks, as a call takes only so many arguments.
  for (let from = 0; from < bytes.length; from += 8_192) {
    parts.push(String.fromCharCode(...bytes.subarray(from, from + 8_192)));
  }
  return btoa(parts.join(""));
}

/** The bytes of base64. Throws a `DOMException` for text that is none. */
export function fromBase64(text: string): ArrayBuffer {
  const chars = atob(text);
  const bytes = new Uint8Array(chars.length);
  // Not by `Uint8Array.from`, which takes 18 times as long.
  for (let at = 0; at < bytes.length; at++) bytes[at] = chars.charCodeAt(at);
  return bytes.buffer;
}
