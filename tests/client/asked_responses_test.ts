import { assertEquals, assertMatch } from "@std/assert";
import { AskedResponses } from "../../shared/client/asked_responses.ts";

const create = (eventId?: string) => JSON.stringify({ type: "response.create", event_id: eventId });
const created = JSON.stringify({ type: "response.created", event_id: "event_1", response: { id: "resp_1" } });
const error = (eventId: string | null, code = "x") =>
  JSON.stringify({ type: "error", error: { code, event_id: eventId } });
const ACTIVE = "conversation_already_has_active_response";
const takenFrom = (asked: AskedResponses) => asked.takeUnconfirmed().map((text) => JSON.parse(text).error.event_id);

const talks: { name: string; sent: unknown[]; heard: unknown[]; unconfirmed: (string | null)[] }[] = [
  { name: "one that nothing was heard of", sent: [create("a")], heard: [], unconfirmed: ["a"] },
  { name: "one without an id", sent: [create()], heard: [error(null)], unconfirmed: [null] },
  { name: "none that has begun", sent: [create("a")], heard: [created], unconfirmed: [] },
  { name: "the later of two", sent: [create("a"), create("b")], heard: [created], unconfirmed: ["b"] },
  { name: "none that was refused", sent: [create("a"), create("b")], heard: [error("b")], unconfirmed: ["a"] },
  { name: "none that was refused without an id", sent: [create()], heard: [error(null, ACTIVE)], unconfirmed: [] },
  {
    name: "none that was lost without an id",
    sent: [create()],
    heard: [error(null, "response_lost")],
    unconfirmed: [],
  },
  {
    name: "one that has an id, where one without was refused",
    sent: [create("a"), create(), create()],
    heard: [error(null, ACTIVE)],
    unconfirmed: ["a", null],
  },
  {
    name: "the last sixteen",
    sent: Array.from({ length: 17 }, (_, index) => create(`${index}`)),
    heard: [],
    unconfirmed: Array.from({ length: 16 }, (_, index) => `${index + 1}`),
  },
  { name: "one beside an error of another event", sent: [create("a")], heard: [error("c")], unconfirmed: ["a"] },
  {
    name: "nothing else that is sent",
    sent: [
      JSON.stringify({ type: "conversation.item.create", item: { content: [{ text: '"response.create"' }] } }),
      JSON.stringify({ type: "x", of: "response.create" }),
      '"response.create"',
      '{"type":"response.create"',
      new Uint8Array(1),
    ],
    heard: [],
    unconfirmed: [],
  },
  {
    name: "one beside anything else that is heard",
    sent: [create("a")],
    heard: ['"error"', "null", '{"type":"error"}', '{"type":"error","error":null}', new Blob(), "x"],
    unconfirmed: ["a"],
  },
];

for (const { name, sent, heard, unconfirmed } of talks) {
  Deno.test(`AskedResponses takes for unconfirmed ${name}`, () => {
    const asked = new AskedResponses();
    for (const data of sent) asked.sent(data);
    for (const data of heard) asked.heard(data);
    assertEquals(takenFrom(asked), unconfirmed);
    assertEquals(takenFrom(asked), []);
  });
}

Deno.test("AskedResponses writes an error event as OpenAI does", () => {
  const asked = new AskedResponses();
  asked.sent(create("a"));
  const { event_id: eventId, ...event } = JSON.parse(asked.takeUnconfirmed()[0]!);
  assertMatch(eventId, /^event_[0-9a-f]{32}$/);
  assertEquals(event, {
    type: "error",
    error: {
      type: "server_error",
      code: "response_unconfirmed",
      message:
        "The connection broke before this response.create was confirmed; if it had arrived, its response comes now",
      param: null,
      event_id: "a",
    },
  });
});
