import { assert, assertEquals } from "@std/assert";
import { clientEventSchemas } from "../../../shared/relay/openai/client_events.ts";
import { isPlainEvent } from "../../../shared/relay/openai/is_plain_event.ts";
import type { RealtimeEvent } from "../../../shared/relay/openai/stage.ts";

const schemas = clientEventSchemas({ keepUnknown: false });

const text = { type: "input_text", text: "Hello" };
const message = { type: "message", role: "user", content: [text] };
const create = (item: unknown, others = {}) => ({ type: "conversation.item.create", ...others, item });

const PLAIN: readonly RealtimeEvent[] = [
  { type: "input_audio_buffer.append", audio: "AAAA" },
  { type: "input_audio_buffer.append", event_id: "e".repeat(512), audio: "AAAA" },
  { type: "input_audio_buffer.commit", event_id: "e" },
  { type: "input_audio_buffer.clear" },
  { type: "response.create" },
  { type: "response.cancel" },
  create(message),
  create({ ...message, id: "i", content: [text, { type: "output_text", text: "" }] }, {
    event_id: "e",
    previous_item_id: "root",
  }),
  create({ ...message, content: [] }),
];

for (const event of PLAIN) {
  Deno.test(`isPlainEvent() knows ${JSON.stringify(event).slice(0, 100)}, of which its schema gives a copy`, () => {
    assert(isPlainEvent(event));
    assertEquals(schemas.get(event.type)!.parse(event) as unknown, event);
  });
}

const OTHERS: readonly RealtimeEvent[] = [
  { type: "x" },
  { type: "session.update", session: {} },
  { type: "input_audio_buffer.append" },
  { type: "input_audio_buffer.append", audio: ["AAAA"] },
  { type: "input_audio_buffer.append", audio: "AAAA", event_id: null },
  { type: "input_audio_buffer.append", audio: "AAAA", event_id: "e".repeat(513) },
  { type: "input_audio_buffer.append", audio: "AAAA", more: 1 },
  { type: "input_audio_buffer.append", event_id: "e", more: 1 },
  { type: "input_audio_buffer.commit", audio: "AAAA" },
  { type: "response.create", response: null },
  { type: "response.create", response: { instructions: "Be rude." } },
  { type: "response.cancel", response_id: "r" },
  JSON.parse('{"type":"response.create","__proto__":{}}'),
  create(undefined),
  create(null),
  create("message"),
  create([message]),
  create(message, { previous_item_id: null }),
  create(message, { previous_item_id: 1 }),
  create(message, { more: 1 }),
  create({ ...message, id: null }),
  create({ ...message, status: "completed" }),
  create({ ...message, role: null }),
  create({ ...message, type: "function_call" }),
  create({ ...message, content: null }),
  create({ ...message, content: { 0: text, length: 1 } }),
  create({ ...message, content: ["Hello"] }),
  create({ ...message, content: [null] }),
  create({ ...message, content: [{ type: "input_text", text: 1 }] }),
  create({ ...message, content: [{ type: null, text: "Hello" }] }),
  create({ ...message, content: [{ type: "input_audio", audio: "AAAA" }] }),
  create({ ...message, content: [{ ...text, audio: "AAAA" }] }),
  create({ ...message, content: [text, { ...text, transcript: "Hello" }] }),
  JSON.parse('{"type":"conversation.item.create","item":{"type":"message","role":"user","content":[],"__proto__":{}}}'),
];

for (const event of OTHERS) {
  Deno.test(`isPlainEvent() leaves ${JSON.stringify(event).slice(0, 120)} to a schema`, () => {
    assertEquals(isPlainEvent(event), false);
  });
}
