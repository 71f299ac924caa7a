import { MAX_EVENT_ID_LENGTH } from "./client_events.ts";
import type { RealtimeEvent } from "./stage.ts";

/**
 * Whether a client's event is one of the few kinds that make up most of a conversation (audio, a message of text, an event
 * without members) with no member besides. Its schema would give an equal copy, at many times the cost.
 */
export function isPlainEvent(event: RealtimeEvent): boolean {
  const { event_id: id } = event;
  const isNamed = typeof id === "string" && id.length <= MAX_EVENT_ID_LENGTH;
  const others = Object.keys(event).length - (isNamed ? 2 : 1);
  switch (event.type) {
    case "input_audio_buffer.append":
      return others === 1 && typeof event.audio === "string";
    case "conversation.item.create":
      return others === (typeof event.previous_item_id === "string" ? 2 : 1) && isPlainMessage(event.item);
    case "input_audio_buffer.commit":
    case "input_audio_buffer.clear":
    case "response.create":
    case "response.cancel":
      return others === 0;
    default:
      return false;
  }
}

function isPlainMessage(item: unknown): boolean {
  if (typeof item !== "object" || item === null) return false;
  const { type, role, content, id } = item as Readonly<Record<string, unknown>>;
  return type === "message" && typeof role === "string" && Array.isArray(content) && content.every(isPlainText) &&
    Object.keys(item).length === (typeof id === "string" ? 4 : 3);
}

function isPlainText(part: unknown): boolean {
  if (typeof part !== "object" || part === null) return false;
  const { type, text } = part as Readonly<Record<string, unknown>>;
  return typeof type === "string" && typeof text === "string" && Object.keys(part).length === 2;
}
