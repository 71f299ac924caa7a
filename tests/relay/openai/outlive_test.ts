import { assert, assertEquals } from "@std/assert";
import * as z from "zod/mini";
import { memorySessionStore } from "../../../shared/relay/openai/memory_session_store.ts";
import { HAND_OVER_FRAME } from "../../../shared/protocol/relay_frames.ts";
import { defineTool, ToolRegistry } from "../../../shared/relay/openai/server_tool.ts";
import type { SessionStore } from "../../../shared/relay/openai/session_store.ts";
import { toolsStages } from "../../../shared/relay/openai/tools_stage.ts";
import { startOpenAiStandIn } from "../../../supabase/local/openai_stand_in.ts";
import { eventually } from "../../support/eventually.ts";
import { encodeAudio } from "../openai_realtime_server/base64_audio.ts";
import { RealtimeClient } from "../openai_realtime_server/realtime_client.ts";
import type { RealtimeSession, SessionBehaviour } from "../openai_realtime_server/realtime_session.ts";
import { startTcpFront } from "../../support/tcp_front.ts";
import { silence, speak } from "../openai_realtime_server/speech.ts";
import { startOpenAiRealtime } from "../openai_realtime_server/start_openai_realtime.ts";
import { ADA, BOB, type OpenAiRelay, startOpenAiRelay, tokenOf } from "./start_openai_relay.ts";

const TEXT = { type: "realtime", output_modalities: ["text"] };
const SPOKEN = {
  type: "realtime",
  audio: { input: { transcription: { model: "whisper-1" }, turn_detection: null } },
};

/** By a client, what cuts the way to its isolate. */
const cuts = new WeakMap<RealtimeClient, () => void>();

/** A stand-in, and as many isolates as a test starts, with one store. */
async function startIsolates(behaviour: SessionBehaviour = {}, store: SessionStore = memorySessionStore()) {
  const openAi = await startOpenAiRealtime(behaviour);
  const relays: OpenAiRelay[] = [];
  const ways = new Set<Disposable>();
  return {
    openAi,
    store,
    relays,
    start(options: Parameters<typeof startOpenAiRelay>[1] = {}): OpenAiRelay {
      const relay = startOpenAiRelay(openAi, { store, ...options });
      relays.push(relay);
      const front = startTcpFront(relay.host);
      const cut = () => ways.delete(front) && front[Symbol.dispose]();
      ways.add(front);
      return {
        ...relay,
        async talk(query = "session=talk", userId = ADA) {
          const url = `ws://${front.host}/relay/openai?${query}`;
          const client = await RealtimeClient.open(url, await tokenOf(userId));
          cuts.set(client, cut);
          await client.next("session.created");
          return client;
        },
      };
    },
    /** The upstream that was dialled last. */
    upstream: (): RealtimeSession => openAi.sessions.at(-1)!,
    async [Symbol.asyncDispose]() {
      for (const front of ways) front[Symbol.dispose]();
      for (const relay of relays) await relay[Symbol.asyncDispose]();
      await openAi[Symbol.asyncDispose]();
    },
  };
}

async function configure(client: RealtimeClient, session: Record<string, unknown> = TEXT): Promise<void> {
  client.send({ type: "session.update", session });
  await client.next("session.updated");
}

/** Cuts a client's connection, and all of the same isolate: nobody can tell what has still arrived. */
function breakOff(client: RealtimeClient): void {
  cuts.get(client)!();
}

/** Lets an answer that waits in the middle go on, once it waits, and gives its response. */
async function finish(client: RealtimeClient, upstream: () => RealtimeSession) {
  const ended = client.all("response.done").length;
  await eventually("the answer ends", () => {
    upstream().goOn();
    return client.all("response.done").length > ended;
  });
  return (await client.next("response.done")).response;
}

async function sayAloud(client: RealtimeClient, text: string): Promise<void> {
  client.send({ type: "input_audio_buffer.append", audio: encodeAudio(speak(text)) });
  client.send({ type: "input_audio_buffer.commit" });
  await client.next("conversation.item.input_audio_transcription.completed");
}

function hasHeard({ received }: RealtimeSession): boolean {
  return received.some(({ type }) => type === "input_audio_buffer.append");
}

/** What a client knows of a conversation by its events: the ids of its items in order. */
function knownItems(...clients: RealtimeClient[]): string[] {
  const known: string[] = [];
  for (const event of clients.flatMap(({ events }) => events)) {
    if (event.type === "conversation.item.added" && !known.includes(event.item.id!)) known.push(event.item.id!);
    if (event.type === "conversation.item.deleted") known.splice(known.indexOf(event.item_id), 1);
  }
  return known;
}

Deno.test("a conversation goes on with another isolate, and the upstream has all of it", async () => {
  await using isolates = await startIsolates();
  const first = isolates.start();
  const before = await first.talk();
  await configure(before, { ...TEXT, instructions: "Be long." });
  await configure(before, { ...TEXT, instructions: "Be brief.", audio: { output: { voice: "cedar" } } });
  await configure(before, { type: "realtime", audio: { output: { speed: 1.2 } } });
  await before.ask("hello");
  first.isolate.drain("wall_clock");
  assertEquals(await before.socket.closed, { code: 1012, reason: "hand_over: wall_clock" });

  await using after = await isolates.start().talk();
  await after.next("session.updated");
  await after.next("input_audio_buffer.cleared");
  assertEquals(after.events.map(({ type }) => type), [
    "session.created",
    "session.updated",
    "input_audio_buffer.cleared",
  ]);
  await after.ask("and now?");
  const { transcript, config, refusals, received } = isolates.upstream();
  assertEquals(transcript, [
    "user: hello",
    'assistant: Answer 1: I heard "hello".',
    "user: and now?",
    'assistant: Answer 2: I heard "and now?".',
  ]);
  assertEquals(refusals, []);
  assertEquals([config.instructions, config.audio?.output?.voice, config.audio?.output?.speed], [
    "Be brief.",
    "cedar",
    1.2,
  ]);
  assertEquals(received.filter(({ type }) => type === "session.update").length, 1);
  assertEquals(isolates.upstream().conversation.entries.map(({ id }) => id), knownItems(before, after));
});

Deno.test("a drain waits for the end of the turn, and of the calls in it", async () => {
  await using isolates = await startIsolates();
  const relay = isolates.start();
  const client = await relay.talk();
  await configure(client, { ...TEXT, tools: [{ type: "function", name: "weather", parameters: { type: "object" } }] });
  client.say("use weather");
  client.send({ type: "response.create" });
  const { response } = await client.next("response.done");
  relay.isolate.drain("cpu");
  const call = response.output?.find((item) => item.type === "function_call");
  client.send({
    type: "conversation.item.create",
    item: { type: "function_call_output", call_id: call?.call_id, output: "sun" },
  });
  client.send({ type: "response.create" });
  await client.next("response.done");
  assertEquals((await client.socket.closed).code, 1012);
  await using after = await isolates.start().talk();
  await after.next("session.updated");
  assertEquals(isolates.upstream().transcript, [
    "user: use weather",
    "call weather {}",
    "gave sun",
    "assistant: Answer 1: the function gave sun",
  ]);
  assertEquals([isolates.upstream().refusals, after.all("response.done")], [[], []]);
});

Deno.test("a response that a hand-over cuts off is over for the client, and asked for again once", async () => {
  await using isolates = await startIsolates();
  const first = isolates.start();
  const before = await first.talk();
  await configure(before);
  before.say("count to 5 and wait");
  before.send({ type: "response.create", response: { metadata: { turn: "7" } } });
  const { response_id, item_id } = await before.next("response.output_text.delta");
  first.isolate.drain("early_drop");
  assertEquals((await before.socket.closed).code, 1012);

  await using after = await isolates.start().talk();
  const { response: cut } = await after.next("response.done");
  assertEquals([cut.id, cut.status, cut.output], [response_id, "cancelled", []]);
  assertEquals((await after.next("conversation.item.deleted")).item_id, item_id);
  const { response: again } = await after.next("response.created");
  assertEquals(again.metadata, { turn: "7" });
  await after.next("response.output_text.delta");
  assertEquals((await finish(after, isolates.upstream)).status, "completed");
  assertEquals(isolates.upstream().transcript, ["user: count to 5 and wait", "assistant: 1 2 3 4 5"]);
  assertEquals(isolates.upstream().conversation.entries.map(({ id }) => id), knownItems(before, after));
  assertEquals(isolates.openAi.sessions.flatMap(({ answers }) => answers).length, 1);

  await after.ask("hello");
  breakOff(after);
  await using last = await isolates.start().talk();
  await last.next("response.done"); // That of the last turn, as nobody knows who has seen it.
  await last.ask("bye");
  assertEquals(isolates.upstream().answers.length, 1, "nothing is due any more");
});

Deno.test("a turn whose end a client may not have seen is told again, with the ids that it had, and is not answered again", async () => {
  await using isolates = await startIsolates();
  const first = isolates.start();
  const front = startTcpFront(first.host);
  const before = await RealtimeClient.open(`ws://${front.host}/relay/openai?session=talk`, await tokenOf(ADA));
  await configure(before);
  await before.ask("one");
  const { id } = await before.ask("two");
  front[Symbol.dispose]();
  await first.idle();

  const second = isolates.start();
  await using after = await second.talk();
  const { response } = await after.next("response.done");
  assertEquals([response.id, response.usage], [id, undefined]);
  const told = after.events.map(({ type }) => type);
  assertEquals(told.slice(0, 3), ["session.created", "session.updated", "input_audio_buffer.cleared"]);
  assertEquals(told.slice(3), [
    "conversation.item.added",
    "conversation.item.done",
    "conversation.item.added",
    "conversation.item.done",
    "response.output_item.done",
    "response.done",
  ]);
  assertEquals(knownItems(after), knownItems(before).slice(2));
  await after.ask("three");
  assertEquals(isolates.upstream().answers.length, 1);

  // A client that was told does not hear of it twice.
  second.isolate.drain("wall_clock");
  await after.socket.closed;
  await using last = await isolates.start().talk();
  await last.next("session.updated");
  await last.ask("four");
  assertEquals(last.all("response.done").length, 1);
});

Deno.test("spoken turns go on as their transcripts, what was cut as far as it was heard, and never as audio", async () => {
  await using isolates = await startIsolates({ lateTranscripts: true });
  const first = isolates.start();
  const before = await first.talk();
  await configure(before, SPOKEN);
  await sayAloud(before, "hello");
  before.send({ type: "response.create" });
  const { response } = await before.next("response.done");
  const [item] = response.output ?? [];
  // 20 ms a letter: "Answer 1:".
  before.send({ type: "conversation.item.truncate", item_id: item!.id, content_index: 0, audio_end_ms: 180 });
  await before.next("conversation.item.truncated");
  await sayAloud(before, "go on");
  before.send({ type: "response.create" });
  await before.next("response.done");
  const { transcript } = isolates.upstream();
  first.isolate.drain("wall_clock");
  await before.socket.closed;

  await using after = await isolates.start().talk();
  await after.next("session.updated");
  assertEquals(isolates.upstream().transcript, transcript);
  assertEquals(transcript.slice(0, 2), ["user: hello", "assistant: Answer 1:"]);
  assertEquals(isolates.upstream().refusals, []);
  const kept = JSON.stringify(await isolates.store.claim({ userId: ADA, sessionId: "talk" }, crypto.randomUUID()));
  assert(!kept.includes('audio":"') && kept.length < 3_000, "no audio is kept");
});

Deno.test("a response that was asked for by audio is not kept, and told to be lost", async () => {
  await using isolates = await startIsolates();
  const before = await isolates.start().talk();
  await configure(before);
  const audio = encodeAudio(speak("count to 3 and wait"));
  const input = [{ type: "message", role: "user", content: [{ type: "input_audio", audio }] }];
  before.send({ type: "response.create", event_id: "mine", response: { conversation: "none", input } });
  await before.next("response.output_text.delta");
  breakOff(before);
  await using after = await isolates.start().talk();
  assertEquals((await after.next("response.done")).response.status, "cancelled");
  assertEquals((await after.next("error")).error.event_id, "mine");
  const kept = JSON.stringify(await isolates.store.claim({ userId: ADA, sessionId: "talk" }, crypto.randomUUID()));
  assert(!kept.includes(audio.slice(0, 40)));
});

Deno.test("a client that speaks while its upstream is lost is told that the next has heard nothing of it", async () => {
  await using isolates = await startIsolates();
  await using client = await isolates.start().talk();
  await configure(client, SPOKEN);
  client.send({ type: "input_audio_buffer.append", audio: encodeAudio(speak("first half")) });
  await eventually("it arrives", () => hasHeard(isolates.upstream()));
  isolates.upstream().close(1011, "lost");
  await client.next("input_audio_buffer.cleared");
  await sayAloud(client, "second half");
  assertEquals(isolates.upstream().transcript, ["user: second half"]);
});

for (const event_id of ["mine", undefined]) {
  const named = event_id === undefined ? "" : ", by the id that it gave";
  Deno.test(`a client whose speech was on its way when its isolate was lost is told so${named}`, async () => {
    await using isolates = await startIsolates();
    const before = await isolates.start().talk();
    await configure(before, SPOKEN);
    isolates.upstream().stall();
    before.send({ type: "input_audio_buffer.append", audio: encodeAudio(speak("lost")) });
    before.send({ type: "input_audio_buffer.commit", event_id });
    before.send({ type: "response.create", event_id });
    await eventually("it arrives", () => isolates.upstream().received.length === 4);
    breakOff(before);
    await using after = await isolates.start().talk();
    await eventually("it is told", () => after.all("error").length === 2);
    assertEquals(after.all("error").map(({ error }) => [error.type, error.code, error.event_id]), [
      ["server_error", "input_lost", event_id ?? null],
      ["server_error", "response_lost", event_id ?? null],
    ]);
    assertEquals(after.events.map(({ type }) => type).slice(0, 3), [
      "session.created",
      "session.updated",
      "input_audio_buffer.cleared",
    ]);
  });
}

Deno.test("a client does not hear of a call to a tool of the server that was cut off", async () => {
  const behaviour = { deltaDelayMs: 500 };
  await using isolates = await startIsolates(behaviour);
  const weather = defineTool({
    name: "weather",
    description: "Tells the weather.",
    parameters: z.object({}),
    run: () => "sun",
  });
  const stages = [toolsStages(new ToolRegistry([weather]))];
  const before = await isolates.start({ stages }).talk();
  await configure(before);
  before.say("use weather");
  before.send({ type: "response.create" });
  await before.next("response.created");
  const calls = () => isolates.openAi.sessions[0]!.conversation.entries.filter(({ type }) => type === "function_call");
  await eventually("the call is being said", () => calls().length === 1);
  // Its answer comes behind all that the relay has been told of the call.
  before.send({ type: "conversation.item.retrieve", item_id: "none" });
  await before.next("error");
  isolates.upstream().stall();
  breakOff(before);

  behaviour.deltaDelayMs = 0;
  await using after = await isolates.start({ stages }).talk();
  assertEquals((await after.next("response.done")).response.status, "cancelled");
  await after.next("response.created");
  assertEquals(after.all("conversation.item.deleted"), []);
});

Deno.test("what is still being heard when a hand-over comes can be cut after it", async () => {
  await using isolates = await startIsolates();
  const first = isolates.start();
  const before = await first.talk();
  await configure(before, SPOKEN);
  before.say("hello");
  before.send({ type: "response.create" });
  const { response } = await before.next("response.done");
  const id = response.output![0]!.id!;
  before.say("thanks");
  await before.next("conversation.item.done");
  first.isolate.drain("wall_clock");
  await before.socket.closed;

  await using after = await isolates.start().talk();
  await after.next("session.updated");
  after.send({ type: "conversation.item.truncate", item_id: id, content_index: 0, audio_end_ms: 180 });
  assertEquals((await after.next("conversation.item.truncated")).audio_end_ms, 180);
  await after.ask("go on");
  const expected = ["user: hello", "assistant: Answer 1:", "user: thanks", "user: go on"];
  assertEquals(isolates.upstream().transcript.slice(0, 4), expected);
  assertEquals([isolates.upstream().refusals, after.all("conversation.item.deleted")], [[], []]);
  assertEquals(knownItems(after).length, 2, "the client hears of what is new alone");
});

Deno.test("what was said and not transcribed is not answered in its place", async () => {
  await using isolates = await startIsolates();
  const before = await isolates.start().talk();
  await configure(before, { ...SPOKEN, ...TEXT, audio: { input: { transcription: null, turn_detection: null } } });
  await before.ask("hello");
  before.send({ type: "input_audio_buffer.append", audio: encodeAudio(speak("count to 3 and wait")) });
  before.send({ type: "input_audio_buffer.commit" });
  before.send({ type: "response.create", event_id: "mine" });
  await before.next("response.output_text.delta");
  breakOff(before);

  await using after = await isolates.start().talk();
  assertEquals((await after.next("response.done")).response.status, "cancelled");
  const { error } = await after.next("error");
  assertEquals([error.type, error.code, error.event_id], ["server_error", "response_lost", "mine"]);
  await after.ask("what now?");
  assertEquals(isolates.upstream().answers.map(({ to }) => to), ["what now?"]);
});

Deno.test("an answer that was not asked for by the client goes on as well: a detector heard the end of the turn", async () => {
  await using isolates = await startIsolates();
  const before = await isolates.start().talk();
  await configure(before, { ...TEXT, audio: { input: { transcription: { model: "whisper-1" } } } });
  before.send({ type: "input_audio_buffer.append", audio: encodeAudio(speak("count to 4 and wait")) });
  before.send({ type: "input_audio_buffer.append", audio: encodeAudio(silence(600)) });
  await before.next("response.output_text.delta");
  breakOff(before);
  await using after = await isolates.start().talk();
  await after.next("response.created");
  await finish(after, isolates.upstream);
  assertEquals(isolates.upstream().transcript, ["user: count to 4 and wait", "assistant: 1 2 3 4"]);
});

for (
  const [name, lose] of [
    ["reached its limit", (session: RealtimeSession) => session.expire()],
    ["broke off", (session: RealtimeSession) => session.drop()],
    ["closed for a restart", (session: RealtimeSession) => session.close(1012, "restart")],
  ] as const
) {
  Deno.test(`a conversation whose upstream ${name} goes on, and its client hears of nothing but the response`, async () => {
    await using isolates = await startIsolates();
    await using client = await isolates.start().talk();
    await configure(client);
    await client.ask("hello");
    client.say("count to 4 and wait");
    client.send({ type: "response.create" });
    await client.next("response.output_text.delta");
    lose(isolates.upstream());
    assertEquals((await client.next("response.done")).response.status, "cancelled");
    client.send({
      type: "conversation.item.create",
      item: { id: "meanwhile", type: "message", role: "system", content: [{ type: "input_text", text: "hm" }] },
    });
    await client.next("response.output_text.delta");
    await finish(client, isolates.upstream);
    assertEquals(isolates.upstream().transcript.toSorted(), [
      "assistant: 1 2 3 4",
      'assistant: Answer 1: I heard "hello".',
      "system: hm",
      "user: count to 4 and wait",
      "user: hello",
    ]);
    assertEquals([client.all("session.created").length, client.all("error")], [1, []]);
    assertEquals(isolates.openAi.sessions.length, 2);
  });
}

Deno.test("a client whose upstream is lost time and again is closed", async () => {
  await using isolates = await startIsolates();
  const client = await isolates.start().talk();
  await configure(client);
  for (let lost = 1; lost <= 4; lost++) {
    const session = await isolates.openAi.next();
    await eventually("it is rebuilt", () => client.all("session.updated").length >= lost);
    session.drop();
  }
  assertEquals((await client.socket.closed).code, 4502);
});

Deno.test("a conversation outlives an upstream that is lost while it is rebuilt there", async () => {
  await using isolates = await startIsolates();
  await using client = await isolates.start().talk();
  await configure(client);
  await client.ask("hello");
  const [first] = isolates.openAi.sessions;
  for (let lost = 1; lost <= 2; lost++) {
    const rebuilding = eventually("the next is dialled", () => isolates.openAi.sessions[lost], { everyMs: 1 });
    if (lost === 1) first!.close(1011, "lost");
    (await rebuilding).drop();
  }
  await eventually("another is dialled", () => isolates.openAi.sessions.length === 4);
  await client.ask("and now?");
  assertEquals(isolates.upstream().transcript.slice(-1), ['assistant: Answer 2: I heard "and now?".']);
  assertEquals(client.all("session.created").length, 1);
});

Deno.test("an upstream that says nothing any more where a response was asked for is lost, and the next answers", async () => {
  await using isolates = await startIsolates();
  await using client = await isolates.start({ limits: { answerTimeoutMs: 100 } }).talk();
  await configure(client);
  await client.ask("hello");
  isolates.upstream().stall();
  client.say("and now?");
  client.send({ type: "response.create" });
  await client.next("response.done");
  assertEquals(isolates.openAi.sessions.length, 2);
  assertEquals(isolates.upstream().transcript.slice(-2), [
    "user: and now?",
    'assistant: Answer 2: I heard "and now?".',
  ]);
  assertEquals([client.all("session.created").length, client.all("error")], [1, []]);
});

Deno.test("an upstream that owes no response may be silent for as long as it likes", async () => {
  await using isolates = await startIsolates();
  await using client = await isolates.start({ limits: { answerTimeoutMs: 50 } }).talk();
  await configure(client);
  await client.ask("hello");
  isolates.upstream().stall();
  client.say("one");
  await new Promise((resolve) => setTimeout(resolve, 300));
  isolates.upstream().resume();
  await client.ask("two");
  assertEquals(isolates.openAi.sessions.length, 1);
});

Deno.test("an answer that has begun may be silent for as long as it likes: a tool of OpenAI may be at work", async () => {
  await using isolates = await startIsolates({ deltaDelayMs: 20 });
  await using client = await isolates.start({ limits: { answerTimeoutMs: 50 } }).talk();
  await configure(client);
  client.say("count to 5");
  client.send({ type: "response.create" });
  await client.next("response.output_text.delta");
  isolates.upstream().stall();
  await new Promise((resolve) => setTimeout(resolve, 300));
  isolates.upstream().resume();
  assertEquals((await client.next("response.done")).response.status, "completed");
  assertEquals(isolates.openAi.sessions.length, 1);
});

Deno.test("what the client asked of an upstream that was lost is asked of the next", async () => {
  await using isolates = await startIsolates();
  await using client = await isolates.start().talk();
  await configure(client);
  isolates.upstream().stall();
  client.send({ type: "session.update", session: { type: "realtime", instructions: "Be kind." } });
  client.say("hello");
  client.send({ type: "response.create" });
  await eventually("it arrives", () => isolates.upstream().received.length === 4);
  isolates.upstream().drop();
  await client.next("response.done");
  assertEquals(isolates.upstream().transcript, ["user: hello", 'assistant: Answer 1: I heard "hello".']);
  assertEquals(isolates.upstream().config.instructions, "Be kind.");
});

Deno.test("what an upstream had not confirmed when its isolate was lost is asked of the next", async () => {
  await using isolates = await startIsolates();
  const before = await isolates.start().talk();
  await configure(before);
  isolates.upstream().stall();
  before.send({ type: "session.update", session: { type: "realtime", instructions: "Be kind." } });
  before.say("hello");
  before.send({
    type: "conversation.item.create",
    item: { type: "message", role: "user", content: [{ type: "input_audio", audio: encodeAudio(speak("hm")) }] },
  });
  before.send({ type: "response.create" });
  await eventually("it arrives", () => isolates.upstream().received.length === 5);
  breakOff(before);
  await using after = await isolates.start().talk();
  // The audio was a part of what was to be answered, and is gone.
  await eventually("it is told", () => after.all("error").length === 2);
  assertEquals(after.all("error").map(({ error }) => error.code), ["input_lost", "response_lost"]);
  await after.next("conversation.item.added");
  after.send({ type: "response.create" });
  await after.next("response.done");
  assertEquals(isolates.upstream().transcript, ["user: hello", 'assistant: Answer 1: I heard "hello".']);
  assertEquals(isolates.upstream().config.instructions, "Be kind.");
  assertEquals(after.all("conversation.item.added").length, 2);
});

Deno.test("an answer is recorded of a server that says of its items only that they are done", async () => {
  const standIn = await startOpenAiStandIn();
  await using _stop = { [Symbol.asyncDispose]: () => standIn.close() };
  const store = memorySessionStore();
  await using relay = startOpenAiRelay({ url: standIn.url, apiKey: "sk-none" }, { store });
  await using client = await relay.talk();
  await configure(client);
  await client.ask("hello");
  const record = await store.claim({ userId: ADA, sessionId: "talk" }, crypto.randomUUID());
  assertEquals(typeof record === "string" ? record : record.items.map(({ item }) => item?.role), ["user", "assistant"]);
});

Deno.test("of two messages with the same event_id each is in the conversation once after a hand-over", async () => {
  await using isolates = await startIsolates();
  const relay = isolates.start();
  const before = await relay.talk();
  await configure(before);
  isolates.upstream().stall();
  for (const text of ["one", "two"]) {
    const item = { type: "message", role: "user", content: [{ type: "input_text", text }] };
    before.send({ type: "conversation.item.create", event_id: "again", item });
    await eventually("it arrives", () => isolates.upstream().transcript.includes(`user: ${text}`));
  }
  isolates.upstream().resume();
  await eventually("both are told", () => before.all("conversation.item.done").length === 2);
  relay.isolate.drain("wall_clock");
  await before.socket.closed;
  await using after = await isolates.start().talk();
  await after.ask("three");
  assertEquals(isolates.upstream().transcript.slice(0, 3), ["user: one", "user: two", "user: three"]);
});

Deno.test("a client that is told before a hand-over loses nothing of what it sends until it has heard of it", async () => {
  await using isolates = await startIsolates();
  const relay = isolates.start();
  const client = await relay.talk("session=talk&hand_over=announced");
  const frames: string[] = [];
  client.socket.socket.addEventListener("message", ({ data }) => frames.push(data));
  await configure(client);
  await client.ask("one");
  relay.isolate.drain("cpu");
  await eventually("it is told", () => frames.includes(HAND_OVER_FRAME));
  client.say("two");
  client.send({ type: "response.create" });
  client.socket.send(HAND_OVER_FRAME);
  client.say("too late");
  assertEquals((await client.socket.closed).code, 1012);
  await using after = await isolates.start().talk();
  await after.next("session.updated");
  assertEquals(isolates.upstream().transcript.slice(0, 3), [
    "user: one",
    'assistant: Answer 1: I heard "one".',
    "user: two",
  ]);
  assertEquals(frames.filter((frame) => frame === HAND_OVER_FRAME).length, 1);
});

Deno.test("of two connections with one session the newer goes on, on the same isolate and on another", async () => {
  await using isolates = await startIsolates();
  const [one, two] = [isolates.start(), isolates.start()];
  const first = await one.talk();
  await configure(first);
  await first.ask("one");
  const second = await one.talk();
  assertEquals(await first.socket.closed, {
    code: 4409,
    reason: "taken_over: Another connection goes on with this session",
  });
  await second.next("session.updated");
  await using third = await two.talk();
  await third.next("session.updated");
  second.say("two");
  assertEquals((await second.socket.closed).code, 4409);
  assertEquals(second.all("conversation.item.added").filter(({ item }) => JSON.stringify(item).includes("two")), []);
  await third.next("response.done"); // That of the first turn, as nobody knows who has seen it.
  await third.ask("three");
  assertEquals(isolates.upstream().transcript.filter((line) => line.startsWith("user")), ["user: one", "user: three"]);
});

Deno.test("sessions of other users, of other names and of none are not touched", async () => {
  await using isolates = await startIsolates();
  const relay = isolates.start();
  await using mine = await relay.talk("session=talk");
  await configure(mine);
  await mine.ask("hello");
  for (const [query, user] of [["session=talk", BOB], ["session=other", ADA], ["", ADA], ["", ADA]] as const) {
    await using other = await relay.talk(query, user);
    await configure(other);
    assertEquals(isolates.upstream().transcript, []);
  }
  await mine.ask("still there?");
});

Deno.test("a session is deleted when its client closes it with 1000, and kept over any other end", async () => {
  await using isolates = await startIsolates();
  const relay = isolates.start();
  for (const [code, isKept] of [[1000, false], [4000, true], [undefined, true]] as const) {
    const client = await relay.talk(`session=s${code}`);
    await configure(client);
    await client.ask("hello");
    client.socket.socket.close(code);
    await client.socket.closed;
    await relay.idle();
    const settled = Promise.allSettled(relay.held.promises);
    await settled;
    await using again = await relay.talk(`session=s${code}`);
    if (isKept) await again.next("session.updated");
    else await configure(again);
    assertEquals(isolates.upstream().transcript.length, isKept ? 2 : 0);
  }
});

Deno.test("without a name nothing is stored, and the end of the upstream is the end of the client", async () => {
  const calls: string[] = [];
  const store = memorySessionStore();
  const counting: SessionStore = {
    claim: (...args) => (calls.push("claim"), store.claim(...args)),
    save: (...args) => (calls.push("save"), store.save(...args)),
    remove: (...args) => (calls.push("remove"), store.remove(...args)),
  };
  await using isolates = await startIsolates({}, counting);
  const client = await isolates.start().talk("");
  await configure(client);
  await client.ask("hello");
  isolates.upstream().expire();
  await client.next("error");
  assertEquals((await client.socket.closed).code, 1001);
  assertEquals(calls, []);
});

Deno.test("what the client sends while its conversation is rebuilt waits, and comes behind it", async () => {
  const opened = Promise.withResolvers<void>();
  const behaviour: { ready?: Promise<void> } = {};
  await using isolates = await startIsolates(behaviour);
  const first = isolates.start();
  const before = await first.talk();
  await configure(before);
  await before.ask("one");
  first.isolate.drain("wall_clock");
  await before.socket.closed;

  behaviour.ready = opened.promise;
  const second = isolates.start();
  await using after = await RealtimeClient.open(`${second.socketUrl}/relay/openai?session=talk`, await tokenOf(ADA));
  const asked = after.ask("two");
  await eventually("the next upstream is dialled", () => isolates.openAi.sessions.length === 2);
  assertEquals(isolates.upstream().received, []);
  opened.resolve();
  await asked;
  assertEquals(isolates.upstream().transcript, [
    "user: one",
    'assistant: Answer 1: I heard "one".',
    "user: two",
    'assistant: Answer 2: I heard "two".',
  ]);
});

for (
  const [name, query, close] of [
    ["a name that is none", "session=no spaces", 4400],
    ["a name that is too long", `session=${"a".repeat(129)}`, 4400],
    ["an empty name", "session=", 4400],
  ] as const
) {
  Deno.test(`${name} is refused with ${close}`, async () => {
    await using isolates = await startIsolates();
    const relay = isolates.start();
    const client = await RealtimeClient.open(`${relay.socketUrl}/relay/openai?${query}`, await tokenOf(ADA));
    assertEquals((await client.socket.closed).code, close);
    assertEquals(isolates.openAi.sessions.length, 0);
  });
}

Deno.test("where the store is out of reach a session is refused, or ends before it tells what was not stored", async () => {
  const memory = memorySessionStore();
  let isDown = false;
  const down = () => Promise.reject(new Error("the database is down"));
  const store: SessionStore = {
    claim: (...args) => isDown ? down() : memory.claim(...args),
    save: (...args) => isDown ? down() : memory.save(...args),
    remove: memory.remove,
  };
  await using isolates = await startIsolates({}, store);
  const relay = isolates.start();
  const client = await relay.talk();
  await configure(client);
  isDown = true;
  client.say("hello");
  client.send({ type: "response.create" });
  const { code, reason } = await client.socket.closed;
  assertEquals([code, reason], [1013, "store_unavailable: The conversation could not be stored"]);
  assertEquals([client.all("conversation.item.added"), client.all("response.done")], [[], []]);
  const refused = await RealtimeClient.open(`${relay.socketUrl}/relay/openai?session=talk`, await tokenOf(ADA));
  assertEquals((await refused.socket.closed).code, 1013);
  assertEquals(relay.failures.length, 2);
});
