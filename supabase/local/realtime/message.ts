import type { Broadcast } from "./broadcast.ts";

/** The protocol's versions: text frames are objects in 1.0.0 and arrays in 2.0.0, which alone has binary frames. */
export type Version = "1.0.0" | "2.0.0";

/** A frame from a client. */
export interface Message {
  joinRef: string | null;
  ref: string | null;
  /** As the client names it: `realtime:room`. */
  topic: string;
  event: string;
  payload: Readonly<Record<string, unknown>>;
  /** Set for a broadcast in a binary frame. */
  broadcast?: Broadcast;
}

/** A text frame to a client. */
export interface OutgoingMessage {
  joinRef?: string | null;
  ref?: string | null;
  topic: string;
  event: string;
  payload: unknown;
}
