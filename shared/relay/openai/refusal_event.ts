import { clientEventId, createEventId } from "./event_id.ts";
import type { RealtimeEvent } from "./stage.ts";

/** Why an event of the client was not passed on. */
export interface Refusal {
  /** For programs: `snake_case`. */
  readonly code: string;
  /** For people. */
  readonly message: string;
  /** The member of the event that it is about, as a path. */
  readonly param?: string;
  /** OpenAI's kind of error; default `invalid_request_error`. */
  readonly type?: string;
}

/** A refusal in the shape of OpenAI's `error` event; `refused` is the client's event that it answers, if any. */
export function refusalEvent(refusal: Refusal, refused?: RealtimeEvent): RealtimeEvent {
  const { code, message, param = null, type = "invalid_request_error" } = refusal;
  return {
    type: "error",
    event_id: createEventId(),
    error: { type, code, message, param, event_id: clientEventId(refused?.event_id) },
  };
}
