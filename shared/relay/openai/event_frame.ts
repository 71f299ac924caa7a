import type { RealtimeEvent } from "./stage.ts";

const TYPE_FIRST = '{"type":"';
const ID_FIRST = '{"event_id":"';
const TYPE_NEXT = ',"type":"';

/** An event on its way: the text that it came as is parsed where somebody reads it, and written anew only where it changed. */
export class EventFrame {
  readonly type: string;
  /** How much it counts where it waits; about its bytes. */
  readonly size: number;
  #text: string | undefined;
  #event: RealtimeEvent | undefined;

  private constructor(type: string, size: number, text: string | undefined, event: RealtimeEvent | undefined) {
    this.type = type;
    this.size = size;
    this.#text = text;
    this.#event = event;
  }

  /** Of an event that was made or changed here. */
  static of(event: RealtimeEvent, size = 256): EventFrame {
    return new EventFrame(event.type, size, undefined, event);
  }

  /** Of an event and the text that says just the same. */
  static ofBoth(event: RealtimeEvent, text: string): EventFrame {
    return new EventFrame(event.type, text.length, text, event);
  }

  /** Of what a server sent; `undefined` where it is no event. Most are not parsed: their type is at the beginning. */
  static ofServer(text: string): EventFrame | undefined {
    const type = typeAtStart(text);
    if (type !== undefined) return new EventFrame(type, text.length, text, undefined);
    const event = parseEvent(text);
    return event && new EventFrame(event.type, text.length, text, event);
  }

  /** What the text of an event of this type begins with, where a server writes the type first; no other type's does. */
  static startOf(type: string): string {
    return `${TYPE_FIRST}${type}"`;
  }

  get event(): RealtimeEvent {
    return this.#event ??= JSON.parse(this.#text!) as RealtimeEvent;
  }

  get text(): string {
    return this.#text ??= JSON.stringify(this.#event);
  }

  /** The frame of what a stage gave back for this one's event. */
  replaced(event: RealtimeEvent): EventFrame {
    return event === this.#event ? this : EventFrame.of(event, this.size);
  }
}

/** What a text says, where that is an object with a `type`. */
export function parseEvent(text: string): RealtimeEvent | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
    return typeof (value as RealtimeEvent).type === "string" ? value as RealtimeEvent : undefined;
  } catch {
    return undefined;
  }
}

/** The type where a server writes it: first, or right behind the id. */
function typeAtStart(text: string): string | undefined {
  if (text.startsWith(TYPE_FIRST)) return wordAt(text, TYPE_FIRST.length);
  if (!text.startsWith(ID_FIRST)) return undefined;
  const end = text.indexOf('"', ID_FIRST.length) + 1;
  return text.startsWith(TYPE_NEXT, end) ? wordAt(text, end + TYPE_NEXT.length) : undefined;
}

function wordAt(text: string, start: number): string | undefined {
  const end = text.indexOf('"', start);
  const word = text.slice(start, end);
  return end !== -1 && !word.includes("\\") ? word : undefined;
}
