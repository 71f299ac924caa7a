import { concat } from "@std/bytes/concat";
import type { RealtimeConversationItemFunctionCall } from "openai/resources/realtime/realtime";
import { assert, assertEquals, assertMatch, assertObjectMatch } from "@std/assert";
import { decodeAudio, encodeAudio } from "./base64_audio.ts";
import { RealtimeClient } from "./realtime_client.ts";
import { type OpenAiRealtime, type OpenAiRealtimeOptions, startOpenAiRealtime } from "./start_openai_realtime.ts";
import { hear, silence, speak } from "./speech.ts";
import { openSocket } from "../../support/socket.ts";

const TEXT = { type: "session.update", session: { type: "realtime", output_modalities: ["text"] } };

async function start(options?: OpenAiRealtimeOptions) {
  const stack = new AsyncDisposableStack();
  const server: OpenAiRealtime = stack.use(await startOpenAiRealtime(options));
  const client = stack.use(await RealtimeClient.open(`${server.url}?model=gpt-realtime`, server.apiKey));
  return { server, client, session: await server.next(), [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

Deno.test("a text turn has every event of the API in its order, with usage", async () => {
  await using talk = await start();
  const { client, session } = talk;
  client.send(TEXT);
  const response = await client.ask("hello there");
  const types = client.events.map(({ type }) => type);
  assertEquals(types.filter((type, index) => type !== types[index - 1]), [
    "session.created",
    "session.updated",
    "conversation.item.added",
    "conversation.item.done",
    "response.created",
    "rate_limits.updated",
    "response.output_item.added",
    "conversation.item.added",
    "response.content_part.added",
    "response.output_text.delta",
    "response.output_text.done",
    "response.content_part.done",
    "response.output_item.done",
    "conversation.item.done",
    "response.done",
  ]);
  assertObjectMatch(response, {
    status: "completed",
    output: [{ role: "assistant", content: [{ type: "output_text", text: 'Answer 1: I heard "hello there".' }] }],
    usage: { output_tokens: 8, output_token_details: { text_tokens: 8, audio_tokens: 0 } },
  });
  const deltas = client.all("response.output_text.delta").map(({ delta }) => delta);
  assertEquals(deltas.join(""), 'Answer 1: I heard "hello there".');
  assertEquals(session.transcript, ["user: hello there", 'assistant: Answer 1: I heard "hello there".']);
  assertEquals(new Set(client.events.map((event) => "event_id" in event && event.event_id)).size, client.events.length);
});

Deno.test("usage tells what was read before from what is new", async () => {
  await using talk = await start();
  const { client } = talk;
  client.send(TEXT);
  const first = (await client.ask("hello")).usage!;
  const second = (await client.ask("hello")).usage!;
  assertEquals(first.input_token_details?.cached_tokens, 0);
  assertEquals(second.input_token_details?.cached_tokens, first.total_tokens);
  assertEquals(second.total_tokens, second.input_tokens! + second.output_tokens!);
});

Deno.test("a spoken turn is heard, transcribed and answered in speech, however its audio is cut", async () => {
  await using talk = await start();
  const { client, session } = talk;
  const input = { transcription: { model: "gpt-4o-mini-transcribe" } };
  client.send({ type: "session.update", session: { type: "realtime", audio: { input } } });
  const audio = [silence(130), speak("héllo you"), silence(600)].flatMap((part) => [...part]);
  for (let at = 0; at < audio.length; at += 4_002) {
    client.send({
      type: "input_audio_buffer.append",
      audio: encodeAudio(Uint8Array.from(audio.slice(at, at + 4_002))),
    });
  }
  assertEquals((await client.next("input_audio_buffer.speech_started")).audio_start_ms, 130);
  assertEquals((await client.next("input_audio_buffer.speech_stopped")).audio_end_ms, 330);
  const transcribed = await client.next("conversation.item.input_audio_transcription.completed");
  assertEquals([transcribed.transcript, transcribed.usage.type], ["héllo you", "tokens"]);
  const { response } = await client.next("response.done");
  const said = 'Answer 1: I heard "héllo you".';
  assertObjectMatch(response, { output: [{ content: [{ type: "output_audio", transcript: said }] }] });
  const spoken = client.all("response.output_audio.delta").map(({ delta }) => decodeAudio(delta));
  assertEquals(hear(concat(spoken)), said);
  const { output_token_details: output, input_token_details: heard } = response.usage!;
  assert(output!.audio_tokens! > 0 && heard!.audio_tokens! > 0);
  assertEquals(session.transcript, ["user: héllo you", `assistant: ${said}`]);
});

Deno.test("audio that the client commits is an item, and no answer is given before one is asked for", async () => {
  await using talk = await start();
  const { client, session } = talk;
  client.send({ type: "session.update", session: { type: "realtime", audio: { input: { turn_detection: null } } } });
  client.send({ type: "input_audio_buffer.append", audio: encodeAudio(speak("by hand")) });
  client.send({ type: "input_audio_buffer.commit" });
  const { item_id } = await client.next("input_audio_buffer.committed");
  client.send({ type: "conversation.item.retrieve", item_id });
  const { item } = await client.next("conversation.item.retrieved");
  assertObjectMatch(item, { content: [{ type: "input_audio", audio: encodeAudio(speak("by hand")) }] });
  assertEquals(session.transcript, ["user: by hand"]);
});

Deno.test("a function is called, and what it gave is answered", async () => {
  await using talk = await start();
  const { client, session } = talk;
  const tools = [{ type: "function", name: "weather", parameters: { type: "object" } }];
  client.send({ type: "session.update", session: { type: "realtime", output_modalities: ["text"], tools } });
  const response = await client.ask('use weather with {"city":"Oslo"}');
  const call = response.output![0] as RealtimeConversationItemFunctionCall;
  assertEquals([call.name, call.arguments], ["weather", '{"city":"Oslo"}']);
  const item = { type: "function_call_output", call_id: call.call_id, output: "rain" };
  client.send({ type: "conversation.item.create", item });
  client.send({ type: "response.create" });
  await client.next("response.done");
  assertEquals(session.transcript, [
    'user: use weather with {"city":"Oslo"}',
    'call weather {"city":"Oslo"}',
    "gave rain",
    "assistant: Answer 1: the function gave rain",
  ]);
});

Deno.test("a spoken answer is cut off by the client, and what was not heard of it is forgotten", async () => {
  await using talk = await start();
  const { client, session } = talk;
  client.say("count to 6 and wait");
  client.send({ type: "response.create" });
  const delta = await client.next("response.output_audio.delta");
  client.send({ type: "response.cancel" });
  const { response } = await client.next("response.done");
  assertEquals(response.status_details, { type: "cancelled", reason: "client_cancelled" });
  assertObjectMatch(response, { output: [{ status: "incomplete" }] });
  client.send({ type: "conversation.item.truncate", item_id: delta.item_id, content_index: 0, audio_end_ms: 30 });
  await client.next("conversation.item.truncated");
  assertEquals(session.transcript.at(-1), "assistant: 1");
  client.send({ type: "conversation.item.retrieve", item_id: delta.item_id });
  const { item } = await client.next("conversation.item.retrieved");
  assertEquals("content" in item && item.content, [{ type: "output_audio", audio: encodeAudio(speak("1")) }]);
});

Deno.test("a spoken answer is cut off by who speaks", async () => {
  await using talk = await start();
  const { client, session } = talk;
  client.say("count to 4 and wait");
  client.send({ type: "response.create" });
  await client.next("response.output_audio.delta");
  client.send({ type: "input_audio_buffer.append", audio: encodeAudio(speak("stop")) });
  const { response } = await client.next("response.done");
  assertEquals(response.status_details, { type: "cancelled", reason: "turn_detected" });
  client.send({ type: "input_audio_buffer.append", audio: encodeAudio(silence(500)) });
  await client.next("response.done");
  assertEquals(session.transcript.slice(-2), ["user: stop", 'assistant: Answer 2: I heard "stop".']);
});

Deno.test("an aside leaves the conversation as it is, reads what it is given and keeps to its own settings", async () => {
  await using talk = await start();
  const { client, session } = talk;
  const response = await client.ask("what are your instructions", {
    conversation: "none",
    instructions: "Be brief.",
    output_modalities: ["text"],
    input: [{ type: "message", role: "user", content: [{ type: "input_text", text: "what are your instructions" }] }],
  });
  assertObjectMatch(response, { output: [{ content: [{ text: "My instructions: Be brief." }] }] });
  assertEquals(session.transcript, ["user: what are your instructions"]);
  client.send(TEXT);
  const short = await client.ask("count to 50", { max_output_tokens: 4 });
  assertEquals(short.status_details, { type: "incomplete", reason: "max_output_tokens" });
});

Deno.test("items are put where the client says", async () => {
  await using talk = await start();
  const { client, session } = talk;
  const create = (id: string, previous_item_id?: string) => {
    const item = { id, type: "message", role: "system", content: [{ type: "input_text", text: id }] };
    client.send({ type: "conversation.item.create", item, ...previous_item_id && { previous_item_id } });
  };
  create("b");
  create("d");
  create("c", "b");
  create("a", "root");
  client.send({ type: "conversation.item.delete", item_id: "d" });
  await client.next("conversation.item.deleted");
  assertEquals(session.transcript, ["system: a", "system: b", "system: c"]);
  const added = client.all("conversation.item.added");
  assertEquals(added.map(({ previous_item_id }) => previous_item_id), [null, "b", "b", null]);
});

const message = (role: string, type: string, more: Record<string, unknown> = {}) => ({
  type: "conversation.item.create",
  item: {
    type: "message",
    role,
    content: [{ type, ...type === "input_audio" ? { audio: "AAAA" } : { text: "x" } }],
    ...more,
  },
});
const update = (session: Record<string, unknown>) => ({
  type: "session.update",
  session: { type: "realtime", ...session },
});

const REFUSED: [name: string, event: unknown, code: string, param: string | null][] = [
  ["an unknown event", { type: "session.start" }, "invalid_value", "type"],
  ["an event without a type", {}, "missing_required_parameter", "type"],
  ["an event that is no object", 7, "invalid_type", ""],
  ["an event of WebRTC", { type: "output_audio_buffer.clear" }, "invalid_value", "type"],
  ["the assistant's text as input", message("assistant", "input_text"), "invalid_value", "item.content[0].type"],
  ["the assistant's audio", message("assistant", "output_audio"), "invalid_value", "item.content[0].type"],
  ["the user's text as output", message("user", "output_text"), "invalid_value", "item.content[0].type"],
  ["the beta's text", message("user", "text"), "invalid_value", "item.content[0].type"],
  ["the system's audio", message("system", "input_audio"), "invalid_value", "item.content[0].type"],
  ["an unknown role", message("developer", "input_text"), "invalid_value", "item.role"],
  ["an unknown field of an item", message("user", "input_text", { name: "x" }), "unknown_parameter", "item.name"],
  ["a long item id", message("user", "input_text", { id: "i".repeat(33) }), "string_above_max_length", "item.id"],
  [
    "a long call id",
    {
      type: "conversation.item.create",
      item: { type: "function_call", name: "f", arguments: "", call_id: "c".repeat(33) },
    },
    "string_above_max_length",
    "item.call_id",
  ],
  [
    "an output of no call",
    { type: "conversation.item.create", item: { type: "function_call_output", call_id: "c", output: "" } },
    "invalid_tool_call_id",
    "item.call_id",
  ],
  [
    "an unknown previous item",
    { ...message("user", "input_text"), previous_item_id: "nobody" },
    "item_create_invalid_previous_item_id",
    "previous_item_id",
  ],
  ["an item twice", message("user", "input_text", { id: "first" }), "item_create_duplicate_item_id", "item.id"],
  ["a session without a type", { type: "session.update", session: {} }, "missing_required_parameter", "session.type"],
  ["the beta's modalities", update({ modalities: ["text"] }), "unknown_parameter", "session.modalities"],
  [
    "text and audio at once",
    update({ output_modalities: ["text", "audio"] }),
    "invalid_value",
    "session.output_modalities",
  ],
  ["another model", update({ model: "gpt-realtime-mini" }), "cannot_update_model", "session.model"],
  [
    "a voice that is not there",
    update({ audio: { output: { voice: "bob" } } }),
    "invalid_value",
    "session.audio.output.voice",
  ],
  ["more tokens than there are", update({ max_output_tokens: 4_097 }), "invalid_value", "session.max_output_tokens"],
  [
    "a tool without a name",
    update({ tools: [{ type: "function" }] }),
    "missing_required_parameter",
    "session.tools[0].name",
  ],
  ["no base64", { type: "input_audio_buffer.append", audio: "é" }, "invalid_value", "audio"],
  ["half a sample", { type: "input_audio_buffer.append", audio: "AA==" }, "invalid_value", "audio"],
  ["a commit of nothing", { type: "input_audio_buffer.commit" }, "input_audio_buffer_commit_empty", null],
  ["a cancel of nothing", { type: "response.cancel" }, "response_cancel_not_active", null],
  [
    "to retrieve no item",
    { type: "conversation.item.retrieve", item_id: "x" },
    "item_retrieve_invalid_item_id",
    "item_id",
  ],
  ["to delete no item", { type: "conversation.item.delete", item_id: "x" }, "item_delete_invalid_item_id", "item_id"],
  [
    "to cut no item",
    { type: "conversation.item.truncate", item_id: "x", content_index: 0, audio_end_ms: 1 },
    "item_truncate_invalid_item_id",
    "item_id",
  ],
  [
    "to cut the user",
    { type: "conversation.item.truncate", item_id: "first", content_index: 0, audio_end_ms: 0 },
    "invalid_value",
    "item_id",
  ],
  [
    "the beta's response",
    { type: "response.create", response: { modalities: ["text"] } },
    "unknown_parameter",
    "response.modalities",
  ],
];

Deno.test("what the API does not take is refused in its own shape, and the session goes on", async (t) => {
  await using talk = await start();
  const { client, session } = talk;
  client.send(message("user", "input_text", { id: "first" }));
  for (const [name, event, code, param] of REFUSED) {
    await t.step(name, async () => {
      const named = typeof event === "object" ? { event_id: "mine", ...event } : event;
      client.socket.sendJson(named);
      const { error } = await client.next("error");
      assertEquals([error.type, error.code, error.param], ["invalid_request_error", code, param]);
      assertEquals(error.event_id, typeof event === "object" ? "mine" : null);
      assertMatch(error.message, /\w/);
    });
  }
  client.socket.send("{");
  assertEquals((await client.next("error")).error.code, "invalid_json");
  client.socket.send(new Uint8Array(8));
  assertEquals((await client.next("error")).error.code, "invalid_frame");
  assertEquals(session.transcript, ["user: x"]);
  assertEquals(session.refusals.length, REFUSED.length + 2);
});

Deno.test("what depends on the state of a session is refused: a second answer, another voice, a cut behind the end", async () => {
  await using talk = await start();
  const { client, session } = talk;
  const error = async () => (await client.next("error")).error.code;
  client.say("count to 2 and wait");
  client.send({ type: "response.create" });
  const { item_id } = await client.next("response.output_audio.delta");
  client.send({ type: "response.create" });
  assertEquals(await error(), "conversation_already_has_active_response");
  session.goOn();
  await client.next("response.done");
  client.send(update({ audio: { output: { voice: "marin" } } }));
  assertEquals(await error(), "cannot_update_voice");
  client.send(update({ audio: { output: { voice: "alloy" } } }));
  await client.next("session.updated");
  client.send({ type: "conversation.item.truncate", item_id, content_index: 0, audio_end_ms: 61 });
  assertEquals(await error(), "invalid_value");
});

Deno.test("who has no key, no model or the beta's ways does not get in", async () => {
  await using server = await startOpenAiRealtime();
  const at = (query: string) => `${server.url}${query}`;
  const key = `openai-insecure-api-key.${server.apiKey}`;
  const model = "?model=gpt-realtime";
  for (const protocols of [["realtime"], ["realtime", "openai-insecure-api-key.wrong"]]) {
    const failed = await openSocket(at(model), { protocols }).then(() => "open", String);
    assertMatch(failed, /before it opened/);
  }
  const cases: [string, string[], string][] = [
    [at(model), ["realtime", key, "openai-beta.realtime-v1"], "beta_api_shape_disabled"],
    [at(model), [key], "invalid_subprotocol"],
    [at(""), ["realtime", key], "missing_model"],
    [at("?model=other"), ["realtime", key], "model_not_found"],
  ];
  for (const [url, protocols, code] of cases) {
    const socket = await openSocket(url, { protocols });
    assertObjectMatch(await socket.nextJson(), { type: "error", error: { code } });
    assertEquals(await socket.closed, { code: 4000, reason: `invalid_request_error.${code}` });
  }
  assertEquals(server.sessions, []);
});

Deno.test("a server comes in by headers, and the beta's header is refused", async () => {
  await using server = await startOpenAiRealtime();
  const url = `${server.url}?model=gpt-realtime`;
  const headers = { Authorization: `Bearer ${server.apiKey}` };
  await using client = await RealtimeClient.open(url, undefined, { headers });
  await client.next("session.created");
  const beta = await openSocket(url, { headers: { ...headers, "OpenAI-Beta": "realtime=v1" } });
  assertEquals((await beta.closed).code, 4000);
});

Deno.test("audio before the session is refused, anything else waits for it", async () => {
  const ready = Promise.withResolvers<void>();
  await using talk = await start({ ready: ready.promise });
  const { client } = talk;
  client.send(TEXT);
  client.send({ type: "input_audio_buffer.append", audio: "AAAA" });
  assertEquals((await client.next("error")).error.code, "session_not_created");
  ready.resolve();
  await client.next("session.created");
  await client.next("session.updated");
});

Deno.test("a session ends with 1001 at its limit", async () => {
  await using talk = await start({ sessionLimitMs: 1 });
  assertEquals((await talk.client.next("error")).error.code, "session_expired");
  assertEquals((await talk.client.socket.closed).code, 1001);
});

Deno.test("a session stalls, goes on, floods and drops as a test says", async () => {
  await using talk = await start();
  const { client, session } = talk;
  await client.next("session.created");
  session.stall();
  client.send(TEXT);
  const done = client.ask("hello");
  session.resume();
  await done;
  const sent = await session.flood(1_000_000);
  assert(sent >= 1_000_000);
  await client.next("response.output_audio.delta");
  session.drop();
  assertEquals((await client.socket.closed).code, 0);
  assertEquals((await session.closed).code, 1006);
});
