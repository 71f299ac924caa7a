import { assertEquals } from "@std/assert";
import { checkWrite, isRoomId, MAX_DATA_BYTES, storableSender } from "../../shared/store/check_write.ts";
import { MAX_DATA_DEPTH } from "../../shared/protocol/chat_limits.ts";
import type { Write } from "../../shared/store/store.ts";

const ACTOR = { id: "00000000-0000-4000-8000-00000000000a" };
const ID = "00000000-0000-4000-8000-000000000001";
const NUL = "\0";
const LONE = "\udc00";

Deno.test("checkWrite() tells what no database can keep from what it can", async (t) => {
  const message = (fields: Partial<Write & { kind: "message" }>): Write => ({
    kind: "message",
    actor: ACTOR,
    room: "room",
    body: "x",
    ...fields,
  });
  const cases: [string, Write, string | undefined][] = [
    ["a plain message", message({}), undefined],
    ["the longest body", message({ body: "x".repeat(16_000) }), undefined],
    ["a body too long", message({ body: "x".repeat(16_001) }), "too_large"],
    ["no body", message({ body: "" }), "bad_request"],
    ["no body, but data", message({ body: "", data: 0 }), undefined],
    ["NUL", message({ body: NUL }), "bad_request"],
    ["half a pair", message({ body: LONE }), "bad_request"],
    ["a whole pair", message({ body: "🎈" }), undefined],
    ["the text of an escape", message({ body: "\\u0000 \\ud83d" }), undefined],
    ["no room id", message({ room: "a room" }), "room_not_found"],
    ["a reply to no id", message({ reply_to: "1" }), "message_not_found"],
    ["an empty client_id", message({ client_id: "" }), "bad_request"],
    ["a client_id too long", message({ client_id: "x".repeat(129) }), "bad_request"],
    ["a subject too long", message({ subject: "x".repeat(257) }), "bad_request"],
    ["a subject with NUL", message({ subject: NUL }), "bad_request"],
    ["the largest data", message({ data: "x".repeat(MAX_DATA_BYTES - 2) }), undefined],
    ["data too large", message({ data: "x".repeat(MAX_DATA_BYTES - 1) }), "too_large"],
    ["data too large in bytes", message({ data: "ü".repeat(MAX_DATA_BYTES / 2) }), "too_large"],
    ["the deepest data", message({ data: nested(MAX_DATA_DEPTH) }), undefined],
    ["data too deep", message({ data: nested(MAX_DATA_DEPTH + 1) }), "bad_request"],
    ["data deep enough for a stack", message({ data: nested(5_000) }), "bad_request"],
    ["data with NUL in a key", message({ data: { [NUL]: 1 } }), "bad_request"],
    ["data with half a pair inside", message({ data: [{ a: LONE }] }), "bad_request"],
    ["data that is no JSON", message({ data: [1n] }), "bad_request"],
    ["data that is no number", message({ data: NaN }), "bad_request"],
    ["data that is null", message({ data: null }), undefined],
    ["an edit", { kind: "edit", actor: ACTOR, message_id: ID, body: "x" }, undefined],
    ["an edit of no id", { kind: "edit", actor: ACTOR, message_id: "x", body: "x" }, "message_not_found"],
    ["an edit to nothing", { kind: "edit", actor: ACTOR, message_id: ID, body: "" }, "bad_request"],
    ["an edit too long", { kind: "edit", actor: ACTOR, message_id: ID, body: "x".repeat(16_001) }, "too_large"],
    ["a reaction", { kind: "react", actor: ACTOR, message_id: ID, emoji: "👨‍👩‍👧", remove: false }, undefined],
    ["no reaction", { kind: "react", actor: ACTOR, message_id: ID, emoji: "", remove: false }, "bad_request"],
    [
      "a long reaction",
      { kind: "react", actor: ACTOR, message_id: ID, emoji: "x".repeat(33), remove: true },
      "bad_request",
    ],
    ["a deletion", { kind: "delete", actor: ACTOR, message_id: ID }, undefined],
    ["a receipt of no id", { kind: "read", actor: ACTOR, message_id: "" }, "message_not_found"],
  ];
  for (const [name, write, code] of cases) {
    await t.step(name, () => assertEquals(checkWrite(write)?.code, code));
  }
});

Deno.test("isRoomId() takes 1 to 128 of the allowed characters", () => {
  for (const id of ["a", "A.b_c:d-9", "x".repeat(128)]) assertEquals(isRoomId(id), true, id);
  for (const id of ["", "x".repeat(129), "a b", "a/b", "ä", "a\n", NUL]) assertEquals(isRoomId(id), false, id);
});

Deno.test("storableSender() mends a name and drops one that is empty", () => {
  const cases = [
    ["Ann", "Ann"],
    [undefined, undefined],
    ["", undefined],
    [NUL, undefined],
    [`A${NUL}nn`, "Ann"],
    [`Ann${LONE}`, "Ann\ufffd"],
    ["x".repeat(300), "x".repeat(256)],
    [`${"x".repeat(255)}🎈`, `${"x".repeat(255)}\ufffd`],
  ] as const;
  for (const [name, kept] of cases) {
    assertEquals(storableSender({ ...ACTOR, name }), kept === undefined ? ACTOR : { ...ACTOR, name: kept });
  }
});

function nested(levels: number): unknown {
  return JSON.parse("[".repeat(levels) + "]".repeat(levels));
}
