import * as z from "zod/mini";
import { Item, Response, Session } from "./session_fields.ts";

/** The characters of an event's id. */
export const MAX_EVENT_ID_LENGTH = 512;

const id = z.string("must be a string");
const count = z.int("must be a whole number").check(z.gte(0, "must be a whole number >= 0"));

/** The members of each client event besides `type` and `event_id` (`RealtimeClientEvent` of the package `openai`). */
const MEMBERS = {
  "session.update": { session: Session },
  "input_audio_buffer.append": { audio: z.string("must be a string") },
  "input_audio_buffer.commit": {},
  "input_audio_buffer.clear": {},
  "output_audio_buffer.clear": {},
  "conversation.item.create": { item: Item, previous_item_id: z.optional(z.nullable(id)) },
  "conversation.item.retrieve": { item_id: id },
  "conversation.item.delete": { item_id: id },
  "conversation.item.truncate": { item_id: id, content_index: count, audio_end_ms: count },
  "response.create": { response: z.optional(z.nullable(Response)) },
  "response.cancel": { response_id: z.optional(z.nullable(id)) },
};

/** A client event that is known here. */
type ClientEventType = keyof typeof MEMBERS;

/** The client events that are known here. */
export const CLIENT_EVENTS = Object.keys(MEMBERS) as readonly ClientEventType[];

/** The schema of each client event that is known here; members that are not known are left out, or kept where `keepUnknown`. */
export function clientEventSchemas({ keepUnknown }: { readonly keepUnknown: boolean }) {
  const make = keepUnknown ? z.looseObject : z.object;
  const eventId = z.optional(
    z.nullable(id.check(z.maxLength(MAX_EVENT_ID_LENGTH, `must have ${MAX_EVENT_ID_LENGTH} characters at most`))),
  );
  return new Map(
    Object.entries(MEMBERS).map(([type, members]) =>
      [type, make({ type: z.literal(type), event_id: eventId, ...members })] as const
    ),
  );
}
