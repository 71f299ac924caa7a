import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { ChatClientFrame, MAX_BODY_LENGTH, MAX_REFERENCE_LENGTH } from "../../shared/protocol/chat_client_frames.ts";
import { parseChatFrame } from "../../shared/room/parse_chat_frame.ts";

Deno.test("parseChatFrame() takes data of 64 levels, and refuses what would run out of stack", () => {
  const frames = ["chat", "signal"].map((type) => (json: string) =>
    `{"type":"${type}","body":"x","ref":"r","data":${json}}`
  );
  const nested = (levels: number) => ["[", '{"a":'].map((open) => open.repeat(levels) + "0" + closing(open, levels));
  for (const frame of frames) {
    for (const json of nested(64)) assertEquals(parseChatFrame(frame(json)).ok, true);
    for (const json of [65, 1_000, 10_000, 30_000].flatMap(nested)) {
      assertEquals(parseChatFrame(frame(json)), {
        ok: false,
        error: { code: "bad_frame", message: "data: is nested deeper than 64 levels", ref: "r" },
      });
    }
  }
});

Deno.test("parseChatFrame() takes a common message without its schema where that would take it, as it would, and no other", () => {
  const lengths = [0, 1, MAX_REFERENCE_LENGTH, MAX_REFERENCE_LENGTH + 1, MAX_BODY_LENGTH, MAX_BODY_LENGTH + 1];
  const text = fc.oneof(fc.string(), fc.constantFrom(...lengths.map((length) => "x".repeat(length))));
  const ids = fc.constantFrom("lobby", "a:b.c-d_e", "no room", "00000000-0000-4000-8000-000000000001");
  const odd = fc.oneof(fc.integer(), fc.boolean(), fc.constant(null), fc.array(text), fc.dictionary(text, text));
  const names = ["type", "body", "text", "client_id", "ref", "room", "subject", "reply_to", "data", "__proto__", "x"];
  const member = fc.tuple(fc.constantFrom(...names), fc.oneof(text, ids, odd));
  // One or two members that may be anything, beside what is right: two wrong ones would hide each other.
  const frame = fc.array(member, { maxLength: 2 })
    .map((members) => ({ type: "chat", body: "x", ...Object.fromEntries(members) }));
  fc.assert(
    fc.property(frame, (value) => {
      const json = JSON.stringify(value);
      const bySchema = ChatClientFrame.safeParse(JSON.parse(json));
      const parsed = parseChatFrame(json);
      assertEquals(parsed.ok, bySchema.success);
      if (parsed.ok) assertEquals<unknown>(parsed.value, bySchema.data);
    }),
    { numRuns: 2_000 },
  );
});

function closing(open: string, levels: number): string {
  return (open === "[" ? "]" : "}").repeat(levels);
}
