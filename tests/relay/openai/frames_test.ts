import { assertEquals, assertStrictEquals } from "@std/assert";
import * as fc from "fast-check";
import { EventFrame } from "../../../shared/relay/openai/event_frame.ts";
import { parseClientFrame } from "../../../shared/relay/openai/parse_client_frame.ts";

const APPEND = '"type":"input_audio_buffer.append"';

const clientTexts: { name: string; text: string; passed: string }[] = [
  { name: "plain audio", text: `{${APPEND},"audio":"AAAA"}`, passed: `{${APPEND},"audio":"AAAA"}` },
  {
    name: "plain audio with an id in front",
    text: `{"event_id":"e1",${APPEND},"audio":"AAAA"}`,
    passed: `{"event_id":"e1",${APPEND},"audio":"AAAA"}`,
  },
  {
    name: "audio with a second type",
    text: `{${APPEND},"audio":"AAAA","type":"session.update"}`,
    passed: `{"type":"session.update","audio":"AAAA"}`,
  },
  {
    name: "audio with a type that is the second one",
    text: `{"type":"session.update",${APPEND},"audio":"AAAA"}`,
    passed: `{${APPEND},"audio":"AAAA"}`,
  },
  {
    name: "audio twice, the second as short as an id",
    text: `{${APPEND},"audio":"AAAA","audio":"BB"}`,
    passed: `{${APPEND},"audio":"BB"}`,
  },
  { name: "audio with spaces", text: `{ ${APPEND}, "audio": "AAAA" }`, passed: `{${APPEND},"audio":"AAAA"}` },
  { name: "audio that is escaped", text: `{${APPEND},"audio":"\\u0041AAA"}`, passed: `{${APPEND},"audio":"AAAA"}` },
  {
    name: "a type that is escaped",
    text: `{"type":"session\\u002eupdate","session":{"a":1,"a":2}}`,
    passed: `{"type":"session.update","session":{"a":2}}`,
  },
  {
    name: "a prototype",
    text: `{"type":"x","__proto__":{"type":"y"}}`,
    passed: `{"type":"x","__proto__":{"type":"y"}}`,
  },
];

for (const { name, text, passed } of clientTexts) {
  Deno.test(`parseClientFrame() passes ${name} as what it has read`, () => {
    const frame = parseClientFrame(text);
    assertEquals(frame.ok && frame.value.text, passed);
    assertEquals(frame.ok && frame.value.event, JSON.parse(passed));
  });
}

Deno.test("parseClientFrame() passes any event as what it has read, whatever stands in it twice", () => {
  const member = fc.tuple(
    fc.constantFrom("type", "audio", "event_id", "x"),
    fc.constantFrom("input_audio_buffer.append", "session.update", "", "AA", "é", '"', "\\", "\ud800"),
    fc.boolean(),
  );
  fc.assert(fc.property(fc.array(member, { maxLength: 5 }), (members) => {
    const written = members.map(([name, value, isEscaped]) => {
      const text = JSON.stringify(value);
      return `"${name}":${isEscaped ? text.replaceAll("A", "\\u0041") : text}`;
    });
    const text = `{${written.join(",")}}`;
    const frame = parseClientFrame(text);
    const event = JSON.parse(text);
    assertEquals(frame.ok, "type" in event);
    if (frame.ok) assertEquals(frame.value.text, JSON.stringify(event));
  }));
});

for (
  const [name, data, code] of [
    ["a binary frame", new ArrayBuffer(2), "invalid_frame"],
    ["no JSON", "{", "invalid_json"],
    ["a list", '[{"type":"x"}]', "invalid_json"],
    ["null", "null", "invalid_json"],
    ["a number for a type", '{"type":1}', "invalid_json"],
    ["an empty text", "", "invalid_json"],
  ] as const
) {
  Deno.test(`parseClientFrame() refuses ${name}`, () => {
    const frame = parseClientFrame(data);
    assertEquals(!frame.ok && frame.error.code, code);
  });
}

Deno.test("parseClientFrame() does not fail where an event is nested deeper than some runtimes can write", () => {
  const deep = "[".repeat(200_000) + "]".repeat(200_000);
  const frame = parseClientFrame(`{"type":"x","a":${deep}}`);
  assertEquals(frame.ok ? frame.value.text.length > deep.length : frame.error.code, frame.ok || "invalid_json");
});

const serverTexts: [text: string, type: string | undefined][] = [
  ['{"type":"response.done","event_id":"e"}', "response.done"],
  ['{"event_id":"e","type":"response.done"}', "response.done"],
  ['{"event_id":"e","response":{"type":"inner"},"type":"response.done"}', "response.done"],
  ['{ "type": "response.done" }', "response.done"],
  ['{"type":"response\\u002edone"}', "response.done"],
  ['{"event_id":"e\\"","type":"response.done"}', "response.done"],
  ['{"delta":"x"}', undefined],
  ["no JSON", undefined],
];

for (const [text, type] of serverTexts) {
  Deno.test(`EventFrame.ofServer() finds ${type ?? "no type"} in ${text}`, () => {
    const frame = EventFrame.ofServer(text);
    assertEquals(frame?.type, type);
    if (frame !== undefined) assertEquals([frame.text, frame.event], [text, JSON.parse(text)]);
  });
}

Deno.test("EventFrame keeps its text for the event that it gave, and writes another anew", () => {
  const text = '{"type":"a", "b":1}';
  const frame = EventFrame.ofServer(text)!;
  assertStrictEquals(frame.replaced(frame.event), frame);
  assertEquals(frame.replaced({ ...frame.event }).text, '{"type":"a","b":1}');
});
