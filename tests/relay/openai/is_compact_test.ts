import { assertEquals } from "@std/assert";
import * as fc from "fast-check";
import { isCompact } from "../../../shared/relay/openai/is_compact.ts";

for (
  const [text, compact] of [
    ['{"type":"input_audio_buffer.append","audio":"AAAA"}', true],
    [
      '{"type":"x","item":{"content":[{"type":"input_text","text":"né ☃ 😀"}],"a":null,"b":[true,false],"c":{},"d":[]}}',
      true,
    ],
    ['{"audio":"BB","type":"x"}', true],
    ['{"type":"x","__proto__":{"type":"y"}}', true],
    ['{"type":"x", "audio":"AAAA"}', false],
    ['{"type":"x"}\n', false],
    ['{"type":"x","audio":"AAAA","audio":"BB"}', false],
    ['{"":"","":""}', false],
    ['{"item":{"a":"","a":""}}', false],
    ['{"audio":"\\u0041"}', false],
    ['{"text":"a\\nb"}', false],
    ['{"\\u0061":"x"}', false],
    // As long as the usual way to write it, and twice: what is saved by 1e9 is just what the second member takes.
    ['{"":1e9,"":1e9}', false],
    ['{"index":0}', false],
    [`${'{"a":'.repeat(15)}{}${"}".repeat(15)}`, true],
    [`${'{"a":'.repeat(17)}{}${"}".repeat(17)}`, false],
    [`${"[".repeat(200_000)}${"]".repeat(200_000)}`, false],
  ] as const
) {
  Deno.test(`isCompact() says ${compact} of ${text.slice(0, 60)}`, () => {
    assertEquals(isCompact(text, JSON.parse(text)), compact);
  });
}

Deno.test("isCompact() holds of no text but the one that JSON.stringify() writes", () => {
  const { value } = fc.letrec<{ value: string; object: string }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 3 },
      fc.constantFrom('""', '"a"', '"\\u0061"', '"é"', "null", "true", "1e9", "0", " 1"),
      tie("object"),
      fc.array(tie("value"), { maxLength: 3 }).map((values) => `[${values.join(",")}]`),
    ),
    object: fc.array(fc.tuple(fc.constantFrom('""', '"a"', '"\\u0061"', ' "a"'), tie("value")), { maxLength: 3 })
      .map((members) => `{${members.map(([name, value]) => `${name}:${value}`).join(",")}}`),
  }));
  fc.assert(
    fc.property(value, (text) => {
      const parsed = JSON.parse(text);
      const written = JSON.stringify(parsed);
      // Only a number may keep a text that is written so from being known.
      assertEquals(isCompact(text, parsed), text === written && !/\d/.test(text));
    }),
    { numRuns: 1_000 },
  );
});
