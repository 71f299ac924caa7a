import { assertEquals } from "@std/assert";
import type { Broadcast } from "../../supabase/local/realtime/broadcast.ts";
import { decodeMessage } from "../../supabase/local/realtime/decode_message.ts";
import { encodeBroadcast } from "../../supabase/local/realtime/encode_broadcast.ts";
import { encodeMessage } from "../../supabase/local/realtime/encode_message.ts";
import type { Version } from "../../supabase/local/realtime/message.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

/** A broadcast as a client of 2.0.0 sends it. */
function push(
  { kind = 3, joinRef = "1", ref = "2", topic = "realtime:room", event = "said", metadata = "", encoding = 1 },
  payload: Uint8Array,
): Uint8Array {
  const fields = [joinRef, ref, topic, event, metadata].map(bytes);
  return new Uint8Array([
    kind,
    ...fields.map(({ length }) => length),
    encoding,
    ...fields.flatMap((f) => [...f]),
    ...payload,
  ]);
}

const good: [what: string, frame: Uint8Array, isBinary: boolean, version: Version, decoded: unknown][] = [
  ["an array", bytes('["1","2","realtime:room","phx_join",{"a":1}]'), false, "2.0.0", {
    joinRef: "1",
    ref: "2",
    topic: "realtime:room",
    event: "phx_join",
    payload: { a: 1 },
  }],
  ["an object", bytes('{"topic":"phoenix","event":"heartbeat","payload":null,"ref":7}'), false, "1.0.0", {
    joinRef: null,
    ref: "7",
    topic: "phoenix",
    event: "heartbeat",
    payload: {},
  }],
  ["a binary broadcast of JSON", push({ topic: "realtime:grüße" }, bytes('{"a":1}')), true, "2.0.0", {
    joinRef: "1",
    ref: "2",
    topic: "realtime:grüße",
    event: "broadcast",
    payload: {},
    broadcast: { form: "user", event: "said", encoding: "json", payload: bytes('{"a":1}') },
  }],
  ["a binary broadcast of bytes", push({ joinRef: "", encoding: 0 }, new Uint8Array([255, 0])), true, "2.0.0", {
    joinRef: null,
    ref: "2",
    topic: "realtime:room",
    event: "broadcast",
    payload: {},
    broadcast: { form: "user", event: "said", encoding: "binary", payload: new Uint8Array([255, 0]) },
  }],
];

for (const [what, frame, isBinary, version, value] of good) {
  Deno.test(`decodeMessage() reads ${what}`, () => {
    assertEquals(decodeMessage(frame, isBinary, version), { ok: true, value } as never);
  });
}

const bad: [what: string, frame: Uint8Array, isBinary: boolean, version: Version, error: string][] = [
  ["no JSON", bytes("{"), false, "2.0.0", "not JSON in UTF-8"],
  ["bad UTF-8", new Uint8Array([0x22, 0xff, 0x22]), false, "2.0.0", "not JSON in UTF-8"],
  ["an object for an array", bytes("{}"), false, "2.0.0", "expected an array"],
  ["an array for an object", bytes("[]"), false, "1.0.0", "expected an object"],
  ["no topic", bytes('["1","2",3,"phx_join",{}]'), false, "2.0.0", "topic and event must be text"],
  ["no event", bytes('{"topic":"realtime:room"}'), false, "1.0.0", "topic and event must be text"],
  ["bytes in 1.0.0", push({}, bytes("{}")), true, "1.0.0", "binary frames need vsn=2.0.0"],
  ["no bytes", new Uint8Array(), true, "2.0.0", "unknown kind of binary frame: undefined"],
  ["another kind", push({ kind: 4 }, bytes("{}")), true, "2.0.0", "unknown kind of binary frame: 4"],
  ["half a header", new Uint8Array([3, 1, 1, 1]), true, "2.0.0", "a binary frame that ends in its header"],
  ["half a topic", push({}, bytes("")).subarray(0, 12), true, "2.0.0", "a binary frame that ends in its header"],
  ["a payload that is not JSON", push({}, bytes("{")), true, "2.0.0", "not JSON in UTF-8"],
];

for (const [what, frame, isBinary, version, error] of bad) {
  Deno.test(`decodeMessage() refuses ${what}`, () => {
    assertEquals(decodeMessage(frame, isBinary, version), { ok: false, error });
  });
}

Deno.test("encodeMessage() writes an object for 1.0.0 and an array for 2.0.0", () => {
  const message = { joinRef: "1", ref: "2", topic: "realtime:room", event: "phx_close", payload: {} };
  assertEquals(encodeMessage(message, "1.0.0"), '{"topic":"realtime:room","event":"phx_close","payload":{},"ref":"2"}');
  assertEquals(encodeMessage(message, "2.0.0"), '["1","2","realtime:room","phx_close",{}]');
});

Deno.test("encodeBroadcast() has no frame where the version cannot say it", () => {
  const binary: Broadcast = { form: "user", event: "e", encoding: "binary", payload: new Uint8Array([1]) };
  const named = (event: string) => encodeBroadcast("realtime:room", { ...binary, event });
  assertEquals(named("e").frame("1.0.0"), undefined);
  assertEquals(named("e").frame("2.0.0"), new Uint8Array([4, 13, 1, 0, 0, ...bytes("realtime:roome"), 1]));
  assertEquals(named("x".repeat(256)).frame("2.0.0"), undefined);
});
