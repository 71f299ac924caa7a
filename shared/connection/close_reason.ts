const MAX_REASON_BYTES = 123;

/**
 * `reason` as a close frame can carry it: at most 123 bytes of UTF-8, cut between characters (RFC 6455 section 5.5).
 * Never empty, since Deno 2.1.4 leaves the code out of a close frame that has no reason.
 */
export function closeReason(reason: string): string {
  const buffer = new Uint8Array(MAX_REASON_BYTES);
  const { read } = new TextEncoder().encodeInto(reason || "closed", buffer);
  return (reason || "closed").slice(0, read);
}
