/** How texts become broadcasts of Realtime, and broadcasts texts. */

/** Before each topic of a bus: what a project's policies let its users hear on other topics they do not hear on these. */
const TOPIC_PREFIX = "edge-sockets:";
/** The event under which texts go; the payload is `{"texts": [...]}`. */
export const TEXTS_EVENT = "texts";
/** The event of the database's own hints: see the migration `realtime_hint`. */
const HINT_EVENT = "grown";

/** Bytes of the payload of one broadcast, on the free plan. */
const MAX_PAYLOAD_BYTES = 256_000;
const ENVELOPE_BYTES = 200;
/** A character takes up to six bytes in JSON, so fewer than this always fit. */
const SAFE_CHARS = 40_000;

/** A topic of a bus, as Realtime has it: a policy in the migration `bounds` keeps every client out of it. */
export function realtimeTopic(topic: string): string {
  return TOPIC_PREFIX + topic;
}

/** Whether a text is over Realtime's limit by itself. */
export function isTooLarge(text: string): boolean {
  if (text.length <= SAFE_CHARS) return false;
  return text.length > MAX_PAYLOAD_BYTES || jsonBytes(text) > MAX_PAYLOAD_BYTES - ENVELOPE_BYTES;
}

/** Puts texts together so that each group fits into a broadcast. */
export function groupTexts(texts: readonly string[]): string[][] {
  const groups: string[][] = [];
  let chars = Infinity;
  for (const text of texts) {
    chars += text.length + 3;
    if (chars > SAFE_CHARS) {
      groups.push([]);
      chars = text.length;
    }
    groups.at(-1)!.push(text);
  }
  return groups;
}

/** The texts in a broadcast; none in one that is not for a bus. */
export function decodeBroadcast(event: string, payload: unknown): string[] {
  if (event === HINT_EVENT) return [JSON.stringify(payload)];
  const texts = event === TEXTS_EVENT ? (payload as { texts?: unknown } | null)?.texts : undefined;
  return Array.isArray(texts) ? texts.filter((text) => typeof text === "string") : [];
}

function jsonBytes(text: string): number {
  return new TextEncoder().encode(JSON.stringify(text)).length;
}
