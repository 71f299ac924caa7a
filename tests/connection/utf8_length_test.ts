import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { utf8Length } from "../../shared/connection/utf8_length.ts";

Deno.test("utf8Length() is what encoding would give, for any text, lone surrogates too", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 50 }), fc.nat(600), (text, times) => {
      const long = text.repeat(times);
      assertEquals(utf8Length(long), new TextEncoder().encode(long).length);
    }),
    { numRuns: 40 },
  );
  for (const text of ["", "\ud800", "\udc00\ud800", "x".repeat(16_383) + "🦊", "x".repeat(16_383) + "\ud83e"]) {
    assertEquals(utf8Length(text + text), new TextEncoder().encode(text + text).length);
  }
});
