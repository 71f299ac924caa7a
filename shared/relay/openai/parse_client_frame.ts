import { err, ok, type Result } from "../../protocol/result.ts";
import type { FrameData } from "../frame_queue.ts";
import { EventFrame, parseEvent } from "./event_frame.ts";
import type { Refusal } from "./refusal_event.ts";
import type { RealtimeEvent } from "./stage.ts";

const APPEND = "input_audio_buffer.append";
const APPEND_LENGTH = `{"type":"${APPEND}","audio":""}`.length;
/** In so short a text nothing is nested deeper than can be written: it is written when it goes on, as what became of it. */
const SHORT_LENGTH = 4_096;
const EVENT_ID_LENGTH = `,"event_id":""`.length;

/**
 * Reads a frame of a client. What is given back says to every reader what it says here: it is written anew, so that a
 * member which stood there twice stands there once. Only plain audio keeps its text, as nothing can hide in it.
 */
export function parseClientFrame(data: FrameData): Result<EventFrame, Refusal> {
  if (typeof data !== "string") {
    return err({
      code: "invalid_frame",
      message: "Binary frames are not taken here: send audio as base64 in an event.",
    });
  }
  const event = parseEvent(data);
  if (event === undefined) {
    return err({ code: "invalid_json", message: "The frame must be a JSON object with a string 'type'." });
  }
  if (isPlainAppend(event, data)) return ok(EventFrame.ofBoth(event, data));
  if (data.length <= SHORT_LENGTH) return ok(EventFrame.of(event, data.length));
  try {
    return ok(EventFrame.ofBoth(event, JSON.stringify(event)));
  } catch {
    // Parsing takes any depth, writing does not.
    return err({ code: "invalid_json", message: "The event is nested too deeply." });
  }
}

/**
 * Whether a text holds this event's audio and nothing besides. The length says so: each member is there at least once, at
 * its least length, so in a text that is no longer none is there twice, and none is written in another way.
 */
function isPlainAppend(event: RealtimeEvent, text: string): boolean {
  const { type, audio, event_id: id } = event;
  if (type !== APPEND || typeof audio !== "string") return false;
  const length = APPEND_LENGTH + audio.length;
  if (id === undefined) return text.length === length && Object.keys(event).length === 2;
  return typeof id === "string" && text.length === length + EVENT_ID_LENGTH + id.length &&
    Object.keys(event).length === 3;
}
