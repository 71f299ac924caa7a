import type { ConversationItem, RealtimeServerEvent } from "openai/resources/realtime/realtime";
import { spokenBy } from "../openai_realtime_server/speech.ts";

interface Seen {
  readonly id: string;
  item: ConversationItem;
  text: string;
}

/** A conversation as a client knows it, from the server's events alone. */
export class ConversationView {
  #items: Seen[] = [];

  /** One line an item, as `transcriptOf` gives them for the server. */
  get transcript(): string[] {
    return this.#items.map(lineOf);
  }

  /** The items behind the message of the user that says `text`; `undefined` where there is no such message. */
  behind(text: string): ConversationItem[] | undefined {
    const at = this.#items.findIndex((seen) => lineOf(seen) === `user: ${text}`);
    return at === -1 ? undefined : this.#items.slice(at + 1).map(({ item }) => item);
  }

  take(event: RealtimeServerEvent): void {
    switch (event.type) {
      case "conversation.item.added":
      case "conversation.item.done":
        return this.#put(event.item, event.previous_item_id ?? null);
      case "conversation.item.deleted":
        // Of what was being said when a connection was lost it may not have been told.
        this.#items = this.#items.filter(({ id }) => id !== event.item_id);
        return;
      case "conversation.item.truncated": {
        const seen = this.#get(event.item_id);
        seen.text = spokenBy(seen.text, event.audio_end_ms);
        return;
      }
      case "conversation.item.input_audio_transcription.completed":
        this.#get(event.item_id).text = event.transcript;
        return;
      case "response.output_audio_transcript.delta":
        this.#get(event.item_id).text += event.delta;
        return;
    }
  }

  #put(item: ConversationItem, previousId: string | null): void {
    const known = this.#items.find(({ id }) => id === item.id);
    if (known !== undefined) {
      known.item = item;
      known.text = textOf(item) ?? known.text;
      return;
    }
    const at = previousId === null ? 0 : this.#items.indexOf(this.#get(previousId)) + 1;
    this.#items.splice(at, 0, { id: item.id!, item, text: textOf(item) ?? "" });
  }

  #get(id: string): Seen {
    const seen = this.#items.find((seen) => seen.id === id);
    if (seen === undefined) throw new Error(`An event names the item "${id}", of which this client was never told`);
    return seen;
  }
}

function lineOf({ item, text }: Seen): string {
  if (item.type === "function_call") return `call ${item.name} ${text}`;
  if (item.type === "function_call_output") return `gave ${text}`;
  return `${"role" in item ? item.role : item.type}: ${text}`;
}

/** What an item says; `undefined` where it is speech whose transcript is not there. */
function textOf(item: ConversationItem): string | undefined {
  if (item.type === "function_call") return item.arguments;
  if (item.type === "function_call_output") return item.output;
  if (item.type !== "message") return undefined;
  const parts = item.content as readonly { text?: string; transcript?: string }[];
  const texts = parts.flatMap(({ text, transcript }) => text ?? transcript ?? []);
  return texts.length > 0 ? texts.join(" ") : undefined;
}
