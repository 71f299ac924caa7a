/** What goes to the members of a topic. */
export type Broadcast = ObjectBroadcast | UserBroadcast;

/** Sent as a text frame: its payload goes on whole, whatever it holds beside `type`, `event` and `payload`. */
export interface ObjectBroadcast {
  form: "object";
  payload: Readonly<Record<string, unknown>>;
}

/** Sent as a binary frame, over REST or by SQL: its payload goes on byte for byte. */
export interface UserBroadcast {
  form: "user";
  event: string;
  encoding: "json" | "binary";
  payload: Uint8Array;
  meta?: Readonly<Record<string, unknown>>;
}

/** Bytes of what a broadcast carries. */
export function payloadBytes(broadcast: Broadcast): number {
  if (broadcast.form === "user") return broadcast.payload.length;
  return new TextEncoder().encode(JSON.stringify(broadcast.payload)).length;
}
