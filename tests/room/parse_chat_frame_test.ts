import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { ChatClientFrame } from "../../shared/protocol/chat_client_frames.ts";
import { MAX_BODY_LENGTH, MAX_REFERENCE_LENGTH } from "../../shared/protocol/chat_limits.ts";
import { parseChatFrame } from "../../shared/room/parse_chat_frame.ts";

Deno.test("parseChatFrame() takes data of 64 levels, and refuses what would run out of stack", async () => {
  const frames = ["chat", "signal"].map((type) => (json: string) =>
    `{"type":"${type}","body":"x","ref":"r","data":${json}}`
  );
  const nested = (levels: number) => ["[", '{"a":'].map((open) => open.repeat(levels) + "0" + closing(open, levels));
  for (const frame of frames) {
    for (const json of nested(64)) assertEquals((await parseChatFrame(frame(json))).ok, true);
    for (const json of [65, 1_000, 10_000, 30_000].flatMap(nested)) {
      assertEquals(await parseChatFrame(frame(json)), {
        ok: false,
        error: { code: "bad_frame", message: "data: is nested deeper than 64 levels", ref: "r" },
      });
    }
  }
});

Deno.test("parseChatFrame() takes a common frame without its schema where that would take it, as it would, and no other", async () => {
  const lengths = [0, 1, MAX_REFERENCE_LENGTH, MAX_REFERENCE_LENGTH + 1, MAX_BODY_LENGTH, MAX_BODY_LENGTH + 1];
  const text = fc.oneof(fc.string(), fc.constantFrom(...lengths.map((length) => "x".repeat(length))));
  const uuids = ["1", "4", "9"].flatMap((version) => ["8", "c"].map((variant) => uuidOf(version, variant)));
  const ids = fc.constantFrom("lobby", "a:b.c-d_e", "no room", ...uuids, uuidOf("4", "a").toUpperCase());
  const odd = fc.oneof(fc.integer(), fc.boolean(), fc.constant(null), fc.array(text), fc.dictionary(text, text));
  const numbers = fc.oneof(fc.nat(), fc.constantFrom(-1, -0, 0.5, 2 ** 53 - 1, 2 ** 53, 1e300));
  const epochs = fc.constantFrom("", "b7e23ec2", "x".repeat(64), "x".repeat(65));
  const position = fc.oneof(
    { weight: 8, arbitrary: fc.record({ since: numbers, epoch: epochs }, { requiredKeys: ["since"] }) },
    fc.record({ epoch: epochs }),
    fc.record({ since: numbers, x: odd }),
    odd,
  );
  const rooms = fc.constantFrom("lobby", "a:b.c-d_e", "7", "no room", "", "x".repeat(129), "constructor", "__proto__");
  const positions = fc.array(fc.tuple(rooms, position), { maxLength: 3 }).map((entries) => Object.fromEntries(entries));
  const names = ["type", "body", "text", "client_id", "ref", "room", "message_id", "subject", "data", "__proto__", "x"];
  const member = fc.oneof(
    fc.tuple(fc.constantFrom(...names), fc.oneof(text, ids, odd)),
    fc.tuple(fc.constant("rooms"), fc.oneof(positions, fc.array(position), odd)),
  );
  const common = [
    { type: "chat", body: "x" },
    { type: "typing" },
    { type: "ping" },
    { type: "mark_read" },
    { type: "resume" },
    { type: "resume", rooms: { lobby: { since: 0 } } },
    { type: "mark_read", message_id: uuidOf("4", "a") },
  ];
  // One or two members that may be anything, beside what is right: two wrong ones would hide each other.
  const frame = fc.tuple(fc.constantFrom(...common), fc.array(member, { maxLength: 2 }))
    .map(([right, members]) => ({ ...right, ...Object.fromEntries(members) }));
  await fc.assert(
    fc.asyncProperty(frame, async (value) => {
      const json = JSON.stringify(value);
      const bySchema = ChatClientFrame.safeParse(JSON.parse(json));
      const parsed = await parseChatFrame(json);
      assertEquals(parsed.ok, bySchema.success);
      if (parsed.ok) assertEquals<unknown>(parsed.value, bySchema.data);
    }),
    { numRuns: 6_000 },
  );
});

function uuidOf(version: string, variant: string): string {
  return `00000000-0000-${version}000-${variant}000-00000000000a`;
}

function closing(open: string, levels: number): string {
  return (open === "[" ? "]" : "}").repeat(levels);
}
