import { randomId } from "./random_id.ts";

/** The type of an event stands so near the beginning of its text, as OpenAI and its clients write it. */
const NEAR = 256;
const MESSAGE =
  "The connection broke before this response.create was confirmed; if it had arrived, its response comes now";

/**
 * The responses that a client has asked for and not heard of. Where a connection breaks, what was on its way is lost, and a
 * client that asks for one response at a time would wait for that one for ever.
 */
export class AskedResponses {
  /** Their `event_id`s, where they have one; the oldest first. */
  readonly #eventIds: (string | undefined)[] = [];

  /** Notes what the client sends. */
  sent(data: unknown): void {
    const event = readEvent(data, "response.create");
    if (event !== undefined) this.#eventIds.push(event.event_id);
  }

  /** Notes what it hears: that a response has begun, or will not. */
  heard(data: unknown): void {
    if (this.#eventIds.length === 0) return;
    if (readEvent(data, "response.created") !== undefined) return void this.#eventIds.shift();
    const eventId = readEvent(data, "error")?.error?.event_id;
    const index = eventId ? this.#eventIds.indexOf(eventId) : -1;
    if (index >= 0) this.#eventIds.splice(index, 1);
  }

  /** The connection broke: gives an `error` event for each, as a text, and waits for none of them any more. */
  takeUnconfirmed(): string[] {
    return this.#eventIds.splice(0).map((eventId) => {
      const fault = { type: "server_error", code: "response_unconfirmed", message: MESSAGE };
      const error = { ...fault, param: null, event_id: eventId ?? null };
      return JSON.stringify({ type: "error", event_id: `event_${randomId()}`, error });
    });
  }
}

interface SomeEvent {
  readonly type?: string;
  readonly event_id?: string;
  readonly error?: { readonly event_id?: string | null };
}

/** The event that a frame is, where it is of this type. */
function readEvent(data: unknown, type: string): SomeEvent | undefined {
  if (typeof data !== "string" || !data.slice(0, NEAR).includes(`"${type}"`)) return undefined;
  try {
    const event: SomeEvent | null = JSON.parse(data);
    return event?.type === type ? event : undefined;
  } catch {
    return undefined; // Whatever it is, OpenAI takes no event from it either.
  }
}
