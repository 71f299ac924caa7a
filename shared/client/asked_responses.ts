import { randomId } from "./random_id.ts";
import { readEvent } from "./read_event.ts";

/** As many as the relay asks for again; where there are more, some were refused in a way that does not show. */
const MAX_ASKED = 16;
/** The errors that are about a `response.create` for sure, also where they name no event. */
const OF_RESPONSES: readonly unknown[] = ["conversation_already_has_active_response", "response_lost"];
const MESSAGE =
  "The connection broke before this response.create was confirmed; if it had arrived, its response comes now";

/**
 * The responses that a client has asked for and not heard of. Where a connection breaks, what was on its way is lost, and a
 * client that asks for one response at a time would wait for that one for ever.
 */
export class AskedResponses {
  /** Their `event_id`s, where they have one; the oldest first. */
  readonly #eventIds: (string | null)[] = [];

  /** Notes what the client sends. */
  sent(data: unknown): void {
    const event = readEvent(data, "response.create");
    if (event && this.#eventIds.push(event.event_id ?? null) > MAX_ASKED) this.#eventIds.shift();
  }

  /** Notes what it hears: that a response has begun, or will not. */
  heard(data: unknown): void {
    if (this.#eventIds.length === 0) return;
    if (readEvent(data, "response.created")) return void this.#eventIds.shift();
    const { event_id: eventId = null, code } = readEvent(data, "error")?.error ?? {};
    if (eventId === null && !OF_RESPONSES.includes(code)) return;
    const index = this.#eventIds.indexOf(eventId);
    if (index >= 0) this.#eventIds.splice(index, 1);
  }

  /** The connection broke: gives an `error` event for each, as a text, and waits for none of them any more. */
  takeUnconfirmed(): string[] {
    return this.#eventIds.splice(0).map((eventId) => {
      const error = {
        type: "server_error",
        code: "response_unconfirmed",
        message: MESSAGE,
        param: null,
        event_id: eventId,
      };
      return JSON.stringify({ type: "error", event_id: `event_${randomId()}`, error });
    });
  }
}
