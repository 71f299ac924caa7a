import type { OutgoingMessage, Version } from "./message.ts";

/** Writes a text frame. */
export function encodeMessage(message: OutgoingMessage, version: Version): string {
  const { joinRef = null, ref = null, topic, event, payload } = message;
  return JSON.stringify(version === "1.0.0" ? { topic, event, payload, ref } : [joinRef, ref, topic, event, payload]);
}
