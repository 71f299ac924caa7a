import { err, ok, type Result } from "../../protocol/result.ts";
import type { FrameData } from "../frame_queue.ts";
import { EventFrame, parseEvent } from "./event_frame.ts";
import { isCompact } from "./is_compact.ts";
import { readPlainEvent } from "./read_plain_event.ts";
import type { Refusal } from "./refusal_event.ts";

/** In so short a text nothing is nested deeper than can be written: it is written when it goes on, as what became of it. */
const SHORT_LENGTH = 4_096;

/**
 * Reads a frame of a client. What is given back says to every reader what it says here: it is written anew, so that a
 * member which stood there twice stands there once. Only a text that is no longer than that keeps, as nothing can hide in it.
 */
export function parseClientFrame(data: FrameData): Result<EventFrame, Refusal> {
  if (typeof data !== "string") {
    return err({
      code: "invalid_frame",
      message: "Binary frames are not taken here: send audio as base64 in an event.",
    });
  }
  const plain = readPlainEvent(data);
  if (plain !== undefined) return ok(EventFrame.ofBoth(plain, data));
  const event = parseEvent(data);
  if (event === undefined) {
    return err({ code: "invalid_json", message: "The frame must be a JSON object with a string 'type'." });
  }
  if (isCompact(data, event)) return ok(EventFrame.ofBoth(event, data));
  if (data.length <= SHORT_LENGTH) return ok(EventFrame.of(event, data.length));
  try {
    return ok(EventFrame.ofBoth(event, JSON.stringify(event)));
  } catch {
    // Parsing takes any depth, writing does not.
    return err({ code: "invalid_json", message: "The event is nested too deeply." });
  }
}
