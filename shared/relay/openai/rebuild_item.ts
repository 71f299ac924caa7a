import type { RebuildItem } from "./session_store.ts";

type Json = Readonly<Record<string, unknown>>;

/**
 * What of an item of OpenAI's a fresh conversation can be given: text, transcripts in place of audio, calls and their
 * outputs. `null` where nothing is left: audio without a transcript, images, calls that were cut off, what MCP has done.
 * `transcript` is that of the item's audio where the item itself lacks it.
 */
export function rebuildItem(item: Json, transcript?: string): RebuildItem | null {
  const { id, type } = item;
  if (typeof id !== "string") return null;
  if (type === "message") return rebuildMessage(id, item, transcript);
  if (type === "function_call" && item.status !== "incomplete" && item.status !== "in_progress") {
    return { id, type, call_id: item.call_id, name: item.name, arguments: item.arguments };
  }
  return type === "function_call_output" ? { id, type, call_id: item.call_id, output: item.output } : null;
}

function rebuildMessage(id: string, { role, content }: Json, transcript: string | undefined): RebuildItem | null {
  const parts = Array.isArray(content) ? content as Json[] : [];
  const texts = parts.map((part) =>
    part.text ?? part.transcript ?? (part.type === "input_text" ? undefined : transcript)
  );
  const said = texts.filter((text): text is string => typeof text === "string" && text !== "");
  if (said.length === 0 && transcript) said.push(transcript);
  if (said.length === 0) return null;
  const type = role === "assistant" ? "output_text" : "input_text";
  return { id, type: "message", role, content: said.map((text) => ({ type, text })) };
}

/** The message as far as it was heard: `share` (0 to 1) of its text, as speech takes its time evenly. `null` for nothing. */
export function truncateMessage(item: RebuildItem, share: number): RebuildItem | null {
  const parts = Array.isArray(item.content) ? item.content as { type: string; text: string }[] : [];
  const bytes = new TextEncoder().encode(parts.map(({ text }) => text).join(" "));
  // A character that is cut in the middle was not heard.
  const text = new TextDecoder().decode(bytes.subarray(0, Math.floor(bytes.length * share)), { stream: true });
  return text === "" ? null : { ...item, content: [{ type: "output_text", text }] };
}
