import { err, ok, type Result } from "../../../shared/protocol/result.ts";
import type { Broadcast } from "./broadcast.ts";
import { isRecord } from "./is_record.ts";
import type { Message, Version } from "./message.ts";

/** The first byte of a binary frame that brings a broadcast. */
const BROADCAST_PUSH = 3;
const JSON_ENCODING = 1;

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** Reads a frame; the error says what is wrong with it. */
export function decodeMessage(data: Uint8Array, isBinary: boolean, version: Version): Result<Message, string> {
  try {
    if (isBinary) return version === "2.0.0" ? decodeBroadcastPush(data) : err("binary frames need vsn=2.0.0");
    const frame: unknown = JSON.parse(utf8.decode(data));
    if (version === "1.0.0") return isRecord(frame) ? fromParts(frame) : err("expected an object");
    if (!Array.isArray(frame)) return err("expected an array");
    const [join_ref, ref, topic, event, payload] = frame;
    return fromParts({ join_ref, ref, topic, event, payload });
  } catch {
    return err("not JSON in UTF-8");
  }
}

function fromParts({ join_ref, ref, topic, event, payload }: Record<string, unknown>): Result<Message, string> {
  if (typeof topic !== "string" || typeof event !== "string") return err("topic and event must be text");
  return ok({
    joinRef: refOf(join_ref),
    ref: refOf(ref),
    topic,
    event,
    payload: isRecord(payload) ? payload : {},
  });
}

/** Five lengths and the encoding, then join_ref, ref, topic, event and metadata, each as long as said; the rest is the payload. */
function decodeBroadcastPush(data: Uint8Array): Result<Message, string> {
  const [kind, joinRefLength, refLength, topicLength, eventLength, metadataLength, encoding] = data;
  if (kind !== BROADCAST_PUSH) return err(`unknown kind of binary frame: ${kind}`);
  if (encoding === undefined) return err("a binary frame that ends in its header");
  let offset = 7;
  const texts = [joinRefLength!, refLength!, topicLength!, eventLength!, metadataLength!].map((length) => {
    const text = utf8.decode(data.subarray(offset, offset + length));
    offset += length;
    return text;
  });
  if (offset > data.length) return err("a binary frame that ends in its header");
  const [joinRef, ref, topic, event] = texts as [string, string, string, string, string];
  const payload = data.slice(offset);
  if (encoding === JSON_ENCODING) JSON.parse(utf8.decode(payload)); // Whoever gets it will parse it.
  const broadcast: Broadcast = {
    form: "user",
    event,
    encoding: encoding === JSON_ENCODING ? "json" : "binary",
    payload,
  };
  return ok({ joinRef: joinRef || null, ref: ref || null, topic, event: "broadcast", payload: {}, broadcast });
}

function refOf(value: unknown): string | null {
  return typeof value === "string" || typeof value === "number" ? String(value) : null;
}
