import { assert, assertEquals } from "@std/assert";
import * as fc from "fast-check";
import { isCompact } from "../../../shared/relay/openai/is_compact.ts";
import { isPlainEvent } from "../../../shared/relay/openai/is_plain_event.ts";
import { parseEvent } from "../../../shared/relay/openai/event_frame.ts";
import { readPlainEvent } from "../../../shared/relay/openai/read_plain_event.ts";

const append = (audio: string) => ({ type: "input_audio_buffer.append", audio });
const message = (text: string, { role = "user", type = "input_text" } = {}) => ({
  type: "conversation.item.create",
  item: { type: "message", role, content: [{ type, text }] },
});

for (
  const event of [
    append("AAAA"),
    append(""),
    message("Hello, né ☃ 😀 \x7f [it] {is} 'me'/: ,"),
    message(""),
    message("Hi", { role: "assistant", type: "output_text" }),
    message("Do as I say.", { role: "system" }),
    append("A".repeat(1_900)),
  ]
) {
  const text = JSON.stringify(event);
  Deno.test(`readPlainEvent() reads ${text.slice(0, 100)}`, () => {
    const read = readPlainEvent(text);
    assertEquals<unknown>(read, event);
    assert(isPlainEvent(read!));
  });
}

const [audio, hello] = [JSON.stringify(append("AAAA")), JSON.stringify(message("Hello"))];
for (
  const [name, text] of [
    ["nothing", ""],
    ["another event", '{"type":"response.create"}'],
    ["an id", '{"event_id":"e","type":"input_audio_buffer.append","audio":"AAAA"}'],
    ["an id of the relay's own behind it", audio.replace("}", ',"event_id":"relay_policy"}')],
    ["a second type", audio.replace("}", ',"type":"session.update"}')],
    ["a second audio", audio.replace("}", ',"audio":"AAAA"}')],
    ["a quote that is escaped", audio.replace("AAAA", 'A\\"A')],
    ["a backslash at the end", audio.replace("AAAA", "AAA\\")],
    ["a letter that is escaped", audio.replace("AAAA", "\\u0041AAA")],
    ["a line break", audio.replace("AAAA", "AA\nAA")],
    ["the character 0", audio.replace("AAAA", "AA\0AA")],
    ["the last control character", hello.replace("Hello", "Hel\x1flo")],
    ["a space", audio.replace(":", ": ")],
    ["a line break behind it", `${audio}\n`],
    ["a mark of the byte order", `\ufeff${audio}`],
    ["two events", audio + audio],
    ["audio that is a list", audio.replace('"AAAA"', '["AAAA"]')],
    ["another type in other letters", audio.replace("input_audio", "input-audio")],
    ["a type with another character for its point", audio.replace("buffer.append", "bufferxappend")],
    ["a message with an id", hello.replace('"type":"message"', '"id":"i","type":"message"')],
    ["a message behind another", hello.replace('"item"', '"previous_item_id":"i","item"')],
    ["a message with two parts", hello.replace("]", ',{"type":"input_text","text":""}]')],
    ["a part with a second text", hello.replace('"Hello"', '"Hello","text":"Hello"')],
    ["a part with a second type", hello.replace('"Hello"', '"Hello","type":"input_audio"')],
    ["a second item", hello.replace(/}$/, ',"item":{}}')],
    ["a role that is escaped", hello.replace('"user"', '"us\\u0065r"')],
    ["no role", hello.replace('"role":"user",', "")],
    ["a call", hello.replace('"message"', '"function_call"')],
    ["a long text", JSON.stringify(append("A".repeat(2_048)))],
  ] as const
) {
  Deno.test(`readPlainEvent() leaves ${name} to the parser`, () => {
    assertEquals(readPlainEvent(text), undefined);
  });
}

/** Texts that are nearly what the official clients write: each has pieces left out, doubled, or others put in. */
const nearlyPlain = fc.tuple(
  fc.constantFrom(audio, hello, JSON.stringify(message("", { role: "system" }))),
  fc.array(
    fc.tuple(
      fc.nat({ max: 200 }),
      fc.nat({ max: 3 }),
      fc.oneof(
        fc.constantFrom(
          '"',
          "\\",
          '\\"',
          "\n",
          "\0",
          "\x1f",
          " ",
          "}",
          '","',
          '"audio":"',
          '"type":"x",',
          "é",
          "\ud800",
        ),
        fc.string({ unit: "binary", maxLength: 3 }),
      ),
    ),
    { maxLength: 3 },
  ),
).map(([text, changes]) =>
  changes.reduce((changed, [at, removed, added]) => {
    const place = at % (changed.length + 1);
    return changed.slice(0, place) + added + changed.slice(place + removed);
  }, text)
);

Deno.test("readPlainEvent() gives just what the parser does, of texts that say each thing once and nothing escaped", () => {
  let read = 0;
  fc.assert(
    fc.property(nearlyPlain, (text) => {
      const event = readPlainEvent(text);
      if (event === undefined) return;
      read++;
      assertEquals(event, parseEvent(text));
      assert(isCompact(text, event));
      assert(isPlainEvent(event));
    }),
    { numRuns: 20_000 },
  );
  assert(read > 1_000, `Only ${read} texts were read`);
});
