import { concat } from "@std/bytes/concat";
import type { ConversationItem } from "openai/resources/realtime/realtime";
import type { Item } from "./client_events.ts";
import { decodeAudio, encodeAudio } from "./base64_audio.ts";
import { Refusal } from "./refusal.ts";
import { durationMs, hear, speak, spokenBy } from "./speech.ts";

/** An item, and what the model knows of it. */
export interface Entry {
  readonly id: string;
  readonly type: Item["type"];
  readonly role?: "system" | "user" | "assistant";
  /** What was written or said in it; of a call its arguments, of an output the output. */
  text: string;
  /** The audio of a message that was spoken. */
  audio?: Uint8Array;
  /** How the audio of an assistant was cut, in milliseconds. */
  truncatedAtMs?: number;
  /** Whether the client has been told what was said in a user's audio. */
  isTranscribed?: boolean;
  status: "completed" | "incomplete" | "in_progress";
  readonly name?: string;
  readonly callId?: string;
  readonly images?: number;
}

/** The items of a session, in order, by the API's rules. */
export class Conversation {
  readonly #entries: Entry[] = [];

  get entries(): readonly Entry[] {
    return this.#entries;
  }

  /**
   * Puts an item behind `previousId`: at the end where that is left out, at the beginning where it is `root`. Gives the id of
   * the item before it, `null` for the first.
   */
  insert(entry: Entry, previousId?: string): string | null {
    if (this.#entries.some(({ id }) => id === entry.id)) {
      throw new Refusal(
        "item_create_duplicate_item_id",
        `Error adding item: the item with id '${entry.id}' already exists.`,
        "item.id",
      );
    }
    if (entry.type === "function_call_output" && !this.#hasCall(entry.callId!)) {
      throw new Refusal(
        "invalid_tool_call_id",
        `Tool call ID '${entry.callId}' not found in conversation.`,
        "item.call_id",
      );
    }
    const at = this.#placeBehind(previousId);
    this.#entries.splice(at, 0, entry);
    return this.#entries[at - 1]?.id ?? null;
  }

  /** The item of an id; `action` names in the refusal what was to be done with it. */
  get(id: string, action: "delete" | "retrieve" | "truncate"): Entry {
    const entry = this.#entries.find((entry) => entry.id === id);
    if (entry !== undefined) return entry;
    const verb = { delete: "deleting", retrieve: "retrieving", truncate: "truncating" }[action];
    throw new Refusal(
      `item_${action}_invalid_item_id`,
      `Error ${verb} item: the item with id '${id}' does not exist.`,
      "item_id",
    );
  }

  /** The id of the item before another. */
  previousOf(id: string): string | null {
    return this.#entries[this.#entries.findIndex((entry) => entry.id === id) - 1]?.id ?? null;
  }

  delete(id: string): void {
    this.#entries.splice(this.#entries.indexOf(this.get(id, "delete")), 1);
  }

  /** Cuts what an assistant said; the text behind that is forgotten. */
  truncate(id: string, audioEndMs: number): void {
    const entry = this.get(id, "truncate");
    if (entry.role !== "assistant" || entry.audio === undefined) {
      throw new Refusal("invalid_value", "Only model output audio messages can be truncated", "item_id");
    }
    const said = entry.truncatedAtMs ?? durationMs(entry.audio);
    if (audioEndMs > said) {
      throw new Refusal(
        "invalid_value",
        `Audio content of ${said}ms is already shorter than ${audioEndMs}ms`,
        "audio_end_ms",
      );
    }
    entry.truncatedAtMs = audioEndMs;
    entry.text = spokenBy(entry.text, audioEndMs);
  }

  #placeBehind(previousId: string | undefined): number {
    if (previousId === undefined) return this.#entries.length;
    if (previousId === "root") return 0;
    const index = this.#entries.findIndex(({ id }) => id === previousId);
    if (index !== -1) return index + 1;
    const message = `Error adding item: the previous item with id '${previousId}' does not exist.`;
    throw new Refusal("item_create_invalid_previous_item_id", message, "previous_item_id");
  }

  #hasCall(callId: string): boolean {
    return this.#entries.some((entry) => entry.type === "function_call" && entry.callId === callId);
  }
}

/** An item of a client as the model takes it. */
export function entryOf(item: Item, newId: (prefix: string) => string): Entry {
  const id = item.id ?? newId("item");
  // A status has no effect, whatever it says.
  const status = "completed";
  if (item.type === "function_call") {
    return {
      id,
      status,
      type: item.type,
      text: item.arguments,
      name: item.name,
      callId: item.call_id ?? newId("call"),
    };
  }
  if (item.type === "function_call_output") {
    return { id, status, type: item.type, text: item.output, callId: item.call_id };
  }
  if (item.role !== "user") {
    return { id, status, type: "message", role: item.role, text: item.content.map(({ text }) => text).join(" ") };
  }
  const audio = item.content.flatMap((part) => part.type === "input_audio" ? [decodeAudio(part.audio)] : []);
  const texts = item.content.flatMap((part) =>
    part.type === "input_text" ? [part.text] : part.type === "input_audio" ? [hear(decodeAudio(part.audio))] : []
  );
  const images = item.content.filter(({ type }) => type === "input_image").length;
  return {
    id,
    status,
    type: "message",
    role: "user",
    text: texts.join(" "),
    ...audio.length > 0 && { audio: concat(audio) },
    ...images > 0 && { images },
  };
}

/** An entry as events show it; its audio only where it is asked for (`conversation.item.retrieve`). */
export function itemOf(entry: Entry, { withAudio = false } = {}): ConversationItem {
  const { id, status, text, audio, truncatedAtMs } = entry;
  const base = { id, object: "realtime.item", status } as const;
  if (entry.type === "function_call") {
    return { ...base, type: "function_call", name: entry.name!, call_id: entry.callId, arguments: text };
  }
  if (entry.type === "function_call_output") {
    return { ...base, type: "function_call_output", call_id: entry.callId!, output: text };
  }
  if (entry.role === "system") {
    return { ...base, type: "message", role: "system", content: [{ type: "input_text", text }] };
  }
  if (entry.role === "user") {
    const content = audio === undefined ? { type: "input_text", text } as const : {
      type: "input_audio",
      // Null, which the published type lacks, until it is known: the clients of OpenAI insist that it is there.
      transcript: entry.isTranscribed ? text : null as unknown as undefined,
      ...withAudio && { audio: encodeAudio(audio) },
    } as const;
    return { ...base, type: "message", role: "user", content: [content] };
  }
  if (audio === undefined) {
    return { ...base, type: "message", role: "assistant", content: [{ type: "output_text", text }] };
  }
  const content = {
    type: "output_audio",
    // Once it is cut, nobody can say what was heard of it.
    ...truncatedAtMs === undefined && { transcript: text },
    ...withAudio && { audio: encodeAudio(speak(text)) },
  } as const;
  return { ...base, type: "message", role: "assistant", content: status === "in_progress" ? [] : [content] };
}
