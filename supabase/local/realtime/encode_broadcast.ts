import type { Broadcast, UserBroadcast } from "./broadcast.ts";
import { encodeMessage } from "./encode_message.ts";
import type { Version } from "./message.ts";

/** The first byte of a binary frame that carries a broadcast. */
const BROADCAST = 4;
const MAX_FIELD_BYTES = 255;

/** A broadcast as frames: each version's is made once, when the first client of that version gets it. */
export interface EncodedBroadcast {
  /** The frame; undefined where the version has none for it: 1.0.0 for binary payloads, 2.0.0 for names over 255 bytes. */
  frame(version: Version): string | Uint8Array | undefined;
}

/** Prepares `broadcast` for the members of `topic`, which is `realtime:` and the room. */
export function encodeBroadcast(topic: string, broadcast: Broadcast): EncodedBroadcast {
  const frames = new Map<Version, string | Uint8Array | undefined>();
  return {
    frame(version) {
      if (!frames.has(version)) frames.set(version, encode(topic, broadcast, version));
      return frames.get(version);
    },
  };
}

function encode(topic: string, broadcast: Broadcast, version: Version): string | Uint8Array | undefined {
  if (broadcast.form === "object") {
    return encodeMessage({ topic, event: "broadcast", payload: broadcast.payload }, version);
  }
  return version === "1.0.0" ? encodeText(topic, broadcast) : encodeBinary(topic, broadcast);
}

function encodeText(topic: string, { event, encoding, payload, meta }: UserBroadcast): string | undefined {
  if (encoding === "binary") return undefined;
  const value: unknown = JSON.parse(new TextDecoder().decode(payload));
  const body = { event, payload: value, type: "broadcast", ...(meta ? { meta } : {}) };
  return encodeMessage({ topic, event: "broadcast", payload: body }, "1.0.0");
}

/** Three lengths and the encoding, then topic, event and metadata, then the payload. */
function encodeBinary(topic: string, { event, encoding, payload, meta }: UserBroadcast): Uint8Array | undefined {
  const utf8 = new TextEncoder();
  const fields = [topic, event, meta ? JSON.stringify(meta) : ""].map((text) => utf8.encode(text));
  if (fields.some((field) => field.length > MAX_FIELD_BYTES)) return undefined;
  const lengths = fields.map((field) => field.length);
  const header = [BROADCAST, ...lengths, encoding === "json" ? 1 : 0];
  const frame = new Uint8Array(header.length + lengths.reduce((sum, length) => sum + length, 0) + payload.length);
  let offset = 0;
  for (const part of [header, ...fields, payload]) {
    frame.set(part, offset);
    offset += part.length;
  }
  return frame;
}
