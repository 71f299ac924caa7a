import { assert, assertEquals } from "@std/assert";
import * as fc from "fast-check";
import { mergeConfig } from "../../../shared/relay/openai/merge_config.ts";
import { planRebuild } from "../../../shared/relay/openai/plan_rebuild.ts";
import { rebuildItem, truncateMessage } from "../../../shared/relay/openai/rebuild_item.ts";
import { RecordedConversation } from "../../../shared/relay/openai/recorded_conversation.ts";
import {
  EMPTY_RECORD,
  type KeptItem,
  type RebuildItem,
  type SessionRecord,
} from "../../../shared/relay/openai/session_store.ts";

const NO_LIMITS = { maxItems: Infinity, maxBytes: Infinity };
const message = (id: string, role = "user", text = id): RebuildItem => ({
  id,
  type: "message",
  role,
  content: [{ type: role === "assistant" ? "output_text" : "input_text", text }],
});
const call = (id: string, callId: string): RebuildItem => ({
  id,
  type: "function_call",
  call_id: callId,
  name: "f",
  arguments: "{}",
});
const output = (id: string, callId: string): RebuildItem => ({
  id,
  type: "function_call_output",
  call_id: callId,
  output: "",
});
const kept = (item: RebuildItem | null, place: number, id = item?.id ?? `${place}`): KeptItem => ({
  id,
  place,
  item,
  audioMs: 0,
});

Deno.test("RecordedConversation has the order that was told, and its changes make the same of what was stored", () => {
  const step = fc.record({
    id: fc.integer({ min: 0, max: 12 }),
    previous: fc.oneof(fc.integer({ min: 0, max: 12 }), fc.constant(null), fc.constant(undefined)),
    action: fc.constantFrom("add", "add", "add", "delete", "set", "save"),
  });
  fc.assert(fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
    const conversation = new RecordedConversation(NO_LIMITS);
    const stored = new Map<string, KeptItem>();
    let expected: string[] = [];
    for (const { id, previous, action } of steps) {
      const name = `i${id}`;
      if (action === "delete") {
        conversation.delete(name);
        expected = expected.filter((other) => other !== name);
      } else if (action === "set") conversation.set(name, message(name, "user", "new"));
      else if (action === "add") {
        const behind = previous === null ? null : previous === undefined ? undefined : `i${previous}`;
        if (!expected.includes(name)) {
          const at = behind === null
            ? 0
            : behind && expected.includes(behind)
            ? expected.indexOf(behind) + 1
            : expected.length;
          expected.splice(at, 0, name);
        }
        conversation.add(name, message(name), behind);
      } else {
        const { put, remove } = conversation.takeChanges();
        for (const id of remove) stored.delete(id);
        for (const item of put) stored.set(item.id, item);
      }
    }
    assertEquals(conversation.items.map(({ id }) => id), expected);
    const { put, remove } = conversation.takeChanges();
    for (const id of remove) stored.delete(id);
    for (const item of put) stored.set(item.id, item);
    assertEquals([...stored.values()].sort((a, b) => a.place - b.place), conversation.items);
  }));
});

Deno.test("RecordedConversation finds a place in between, however often", () => {
  const conversation = new RecordedConversation(NO_LIMITS);
  conversation.add("first", message("first"), undefined);
  conversation.add("last", message("last"), undefined);
  for (let i = 0; i < 200; i++) conversation.add(`${i}`, message(`${i}`), "first");
  const { items } = conversation;
  assertEquals(items.map(({ id }) => id), ["first", ...Array.from({ length: 200 }, (_, i) => `${199 - i}`), "last"]);
  assertEquals(new Set(items.map(({ place }) => place)).size, 202);
  assertEquals(conversation.takeChanges().put, items);
});

Deno.test("RecordedConversation drops its oldest turns, each as a whole, and not the one that is under way", () => {
  const conversation = new RecordedConversation({ maxItems: 6, maxBytes: Infinity });
  for (const turn of [1, 2, 3]) {
    conversation.add(`user ${turn}`, message(`user ${turn}`), undefined);
    conversation.add(`call ${turn}`, call(`call ${turn}`, `${turn}`), undefined);
    conversation.add(`output ${turn}`, output(`output ${turn}`, `${turn}`), undefined);
  }
  assertEquals(conversation.items.map(({ id }) => id), [
    "user 2",
    "call 2",
    "output 2",
    "user 3",
    "call 3",
    "output 3",
  ]);
  assert(conversation.takeChanges().remove.includes("call 1"));
  const short = new RecordedConversation({ maxItems: Infinity, maxBytes: 300 });
  for (let i = 0; i < 50; i++) short.add(`${i}`, message(`${i}`), undefined);
  assert(JSON.stringify(short.items.map(({ item }) => item)).length <= 300 && short.items.length > 1);
  short.add("long", message("long", "user", "x".repeat(1_000)), undefined);
  assertEquals(short.items.map(({ id }) => id), ["long"]);
});

const items: { name: string; item: Record<string, unknown>; transcript?: string; expected: RebuildItem | null }[] = [
  {
    name: "a spoken message of a user",
    item: {
      id: "a",
      type: "message",
      role: "user",
      content: [{ type: "input_audio", audio: "AAAA", transcript: "hi" }],
    },
    expected: message("a", "user", "hi"),
  },
  {
    name: "one without a transcript",
    item: { id: "a", type: "message", role: "user", content: [{ type: "input_audio", transcript: null }] },
    expected: null,
  },
  {
    name: "text beside an image",
    item: {
      id: "a",
      type: "message",
      role: "user",
      content: [{ type: "input_image", image_url: "data:image/png;base64,AAAA" }, { type: "input_text", text: "look" }],
    },
    expected: message("a", "user", "look"),
  },
  {
    name: "what an assistant said aloud",
    item: { id: "a", type: "message", role: "assistant", content: [{ type: "output_audio", transcript: "hi" }] },
    expected: message("a", "assistant", "hi"),
  },
  {
    name: "what it said, by a transcript that came by itself",
    item: { id: "a", type: "message", role: "assistant", content: [{ type: "output_audio" }] },
    transcript: "hi",
    expected: message("a", "assistant", "hi"),
  },
  {
    name: "a message that holds nothing",
    item: { id: "a", type: "message", role: "assistant", content: [] },
    expected: null,
  },
  {
    name: "a system message",
    item: {
      id: "a",
      type: "message",
      role: "system",
      content: [{ type: "input_text", text: "hm" }],
      object: "realtime.item",
    },
    expected: message("a", "system", "hm"),
  },
  {
    name: "a call",
    item: { ...call("a", "c"), status: "completed", object: "realtime.item" },
    expected: call("a", "c"),
  },
  { name: "a call that was cut off", item: { ...call("a", "c"), status: "incomplete" }, expected: null },
  { name: "an output", item: { ...output("a", "c"), status: "completed" }, expected: output("a", "c") },
  { name: "what MCP did", item: { id: "a", type: "mcp_call", arguments: "{}" }, expected: null },
];

for (const { name, item, transcript, expected } of items) {
  Deno.test(`rebuildItem() makes ${expected === null ? "nothing" : "text"} of ${name}`, () => {
    assertEquals(rebuildItem(item, transcript), expected);
  });
}

for (
  const [text, share, heard] of [
    ["0123456789", 0.5, "01234"],
    ["0123456789", 1, "0123456789"],
    ["0123456789", 0.01, undefined],
    ["aé", 0.67, "a"],
  ] as const
) {
  Deno.test(`truncateMessage() keeps ${heard ?? "nothing"} of ${share} of "${text}"`, () => {
    const item = truncateMessage(message("a", "assistant", text), share);
    assertEquals(item, heard === undefined ? null : message("a", "assistant", heard));
  });
}

Deno.test("mergeConfig() replaces each part of a session as a whole, and keeps what is not mentioned", () => {
  const first = {
    instructions: "a",
    tools: [1],
    audio: { input: { turn_detection: { type: "server_vad", threshold: 1 } } },
  };
  const second = { tools: [], audio: { input: { turn_detection: { type: "semantic_vad" } }, output: { voice: "v" } } };
  assertEquals(mergeConfig(mergeConfig(null, first), second), {
    instructions: "a",
    tools: [],
    audio: { input: { turn_detection: { type: "semantic_vad" } }, output: { voice: "v" } },
  });
  assertEquals(mergeConfig(first, { audio: { input: { turn_detection: null } } }).audio, {
    input: { turn_detection: null },
  });
});

Deno.test("planRebuild() creates no output without its call, and nothing of what cannot be rebuilt", () => {
  const { creates, notices, due, lost } = planRebuild({
    ...EMPTY_RECORD,
    items: [kept(output("o1", "gone"), 1), kept(null, 2), kept(call("c", "c"), 3), kept(output("o2", "c"), 4)],
  });
  assertEquals([...creates.values()].map(({ item }) => item), [call("c", "c"), output("o2", "c")]);
  assertEquals([notices, due, lost], [[], [], []]);
});

Deno.test("planRebuild() asks again for what is due, up to a number of times, and not for what was not transcribed", () => {
  const create = { type: "response.create", event_id: "mine", response: { metadata: { a: "b" } } };
  const response = { create, responseId: "r", itemIds: ["i"], retries: 0 };
  const items = [kept(message("a"), 1)];
  const plan = planRebuild({ ...EMPTY_RECORD, items, due: [response, { ...response, retries: 5 }] });
  assertEquals(plan.due, [{ create, responseId: null, itemIds: [], retries: 1 }]);
  assertEquals(plan.lost.length, 1);
  assertEquals(plan.notices.map(({ type }) => type), [
    "response.done",
    "conversation.item.deleted",
    "response.done",
    "conversation.item.deleted",
  ]);
  const unheard = [...items, kept(null, 2)];
  assertEquals(planRebuild({ ...EMPTY_RECORD, items: unheard, due: [response] }).due, []);
  const own = { ...response, create: { ...create, response: { input: [] } } };
  assertEquals(planRebuild({ ...EMPTY_RECORD, items: unheard, due: [own] }).due.length, 1);
});

const unheard = { type: "input_audio_buffer.commit", event_id: "commit" };
const unkept = { type: "conversation.item.create", event_id: "audio" };
const answered = [kept(message("a"), 1), kept(message("b", "assistant"), 2)];
const asked = { create: { type: "response.create", event_id: "mine" }, responseId: null, itemIds: [], retries: 0 };
const lastItems: { name: string; record: Partial<SessionRecord>; isAsked: boolean }[] = [
  { name: "a user's message", record: { items: answered.slice(0, 1) }, isAsked: true },
  { name: "nothing", record: {}, isAsked: true },
  { name: "an answer", record: { items: answered }, isAsked: false },
  {
    name: "an answer, outside the conversation",
    record: {
      items: answered,
      due: [{ ...asked, create: { ...asked.create, response: { conversation: "none" } } }],
    },
    isAsked: true,
  },
  {
    name: "an answer and a message that was not confirmed",
    record: {
      items: answered,
      pending: [{ number: 1, event: { type: "conversation.item.create", item: message("c") } }],
    },
    isAsked: true,
  },
  {
    name: "speech whose end was not confirmed",
    record: { items: answered.slice(0, 1), pending: [{ number: 1, event: unheard }] },
    isAsked: false,
  },
  {
    name: "an item with audio that was not confirmed",
    record: { items: answered.slice(0, 1), pending: [{ number: 1, event: unkept }] },
    isAsked: false,
  },
];

for (const { name, record, isAsked } of lastItems) {
  Deno.test(`planRebuild() ${isAsked ? "asks again" : "gives up"} what was to answer ${name}`, () => {
    const { due, lost } = planRebuild({ ...EMPTY_RECORD, due: [asked], ...record });
    assertEquals([due.length, lost.length], isAsked ? [1, 0] : [0, 1]);
  });
}

Deno.test("planRebuild() neither asks again for what was cancelled, nor says that it is lost", () => {
  const due = { ...asked, responseId: "r", isCancelled: true };
  const plan = planRebuild({ ...EMPTY_RECORD, items: [kept(message("a"), 1)], due: [due] });
  assertEquals([plan.due, plan.lost, plan.notices.map(({ type }) => type)], [[], [], ["response.done"]]);
});

Deno.test("planRebuild() tells of all from the first item on that the client may not know, and of every end", () => {
  const items = ["a", "b", "c"].map((id, index) => kept(message(id), index));
  const ends = ["r", "s"].map((id) => ({ type: "response.done", response: { id, output: [] } }));
  const told = (untold: readonly string[]) =>
    planRebuild({ ...EMPTY_RECORD, told: false, items, untold, ends }).notices
      .map((notice) => (notice.item ?? notice.response) as { id: string }).map(({ id }) => id);
  assertEquals(told([]), ["c", "c", "r", "s"]);
  assertEquals(told(["b", "c", "gone"]), ["b", "b", "c", "c", "r", "s"]);
});

Deno.test("planRebuild() deletes what was to be deleted, and repeats what else is pending where it still can", () => {
  const pending = [
    { type: "conversation.item.delete", item_id: "a" },
    { type: "conversation.item.delete", item_id: "unknown" },
    { type: "conversation.item.truncate", item_id: "b", audio_end_ms: 1 },
    { type: "conversation.item.truncate", item_id: "cut off", audio_end_ms: 1 },
    { type: "session.update", event_id: "too long" },
    unheard,
    unkept,
  ].map((event, number) => ({ number, event }));
  const { creates, repeated, notices } = planRebuild({ ...EMPTY_RECORD, items: answered, pending });
  assertEquals([...creates.values()].map(({ item }) => item.id), ["b"]);
  assertEquals(notices.map(({ error }) => (error as { code: string }).code), ["input_lost", "input_lost"]);
  assertEquals(repeated, [pending[1]!.event, pending[2]!.event]);
});
