import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { closeReason } from "../../shared/connection/close_reason.ts";

Deno.test("closeReason() keeps what a close frame can carry and cuts the rest between characters", () => {
  fc.assert(fc.property(fc.string({ unit: "grapheme", maxLength: 200, size: "max" }), (text) => {
    const reason = closeReason(text);
    const bytes = new TextEncoder().encode(reason).length;
    assert(reason.length > 0 && bytes <= 123);
    if (text === "") return;
    assert(text.startsWith(reason) && reason.isWellFormed());
    if (reason !== text) assert(bytes > 119, `only what did not fit is cut: ${bytes} bytes`);
  }));
  assertEquals(closeReason(""), "closed");
  assertEquals(closeReason("x".repeat(124)), "x".repeat(123));
  assertEquals(closeReason("x".repeat(120) + "🦊"), "x".repeat(120));
});
