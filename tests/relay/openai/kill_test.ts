import { assert, assertEquals } from "@std/assert";
import { memorySessionStore } from "../../../shared/relay/openai/memory_session_store.ts";
import type { SessionChanges, SessionStore } from "../../../shared/relay/openai/session_store.ts";
import { eventually } from "../../support/eventually.ts";
import { encodeAudio } from "../openai_realtime_server/base64_audio.ts";
import type { RealtimeClient } from "../openai_realtime_server/realtime_client.ts";
import type { RealtimeSession } from "../openai_realtime_server/realtime_session.ts";
import { silence, speak } from "../openai_realtime_server/speech.ts";
import { startOpenAiRealtime } from "../openai_realtime_server/start_openai_realtime.ts";
import { mortalStore } from "./mortal_store.ts";
import { ADA, startOpenAiRelay, tokenOf } from "./start_openai_relay.ts";

const TEXT = { type: "realtime", output_modalities: ["text"] };
const spoken = (turnDetection: unknown) => ({
  ...TEXT,
  audio: { input: { transcription: { model: "whisper-1" }, turn_detection: turnDetection } },
});

/** What a client does in a turn, the save behind which its isolate is killed, and what the next isolate finds to do. */
interface Killed {
  readonly session?: Record<string, unknown>;
  readonly begin: (client: RealtimeClient, upstream: RealtimeSession) => unknown;
  readonly diesAfter: (changes: SessionChanges) => boolean;
}

/** Takes one turn as it should be, begins another, and kills the isolate there. Gives the client on the next isolate. */
async function talkOn({ session = TEXT, begin, diesAfter }: Killed) {
  const stack = new AsyncDisposableStack();
  const openAi = stack.use(await startOpenAiRealtime());
  const shared = memorySessionStore();
  let isArmed = false;
  const travel = () => new Promise<void>((resolve) => setTimeout(resolve, 5));
  const store = mortalStore(shared, { travel, diesAfter: (changes) => isArmed && diesAfter(changes) });
  const first = stack.use(startOpenAiRelay(openAi, { store }));
  const before = await first.talk();
  before.send({ type: "session.update", session });
  await before.next("session.updated");
  await before.ask("turn 0");
  const known = before.events.length;
  isArmed = true;
  await begin(before, openAi.sessions[0]!);
  await eventually("the isolate is killed", () => store.isDead);
  const second = stack.use(startOpenAiRelay(openAi, { store: shared }));
  const after = stack.use(await second.talk());
  await after.next("session.updated");
  // Its answer comes behind all that the client is told first.
  after.send({ type: "conversation.item.retrieve", item_id: "none", event_id: "probe" });
  await eventually("the client is told all", () => after.all("error").some(({ error }) => error.event_id === "probe"));
  return {
    before,
    after,
    openAi,
    store: shared,
    /** What the first client had been told of the turn. */
    told: () => before.events.slice(known),
    errors: () => after.all("error").map(({ error }) => error.code).filter((code) => code === "response_lost"),
    upstream: () => openAi.sessions.at(-1)!,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

const isDue = ({ due }: SessionChanges) => due !== undefined && due.length > 0;

for (
  const { name, ...turn } of [
    {
      name: "a detector has heard",
      session: spoken({ type: "server_vad" }),
      begin: (client: RealtimeClient) => {
        for (const audio of [speak("turn 1, spoken"), silence(600)]) {
          client.send({ type: "input_audio_buffer.append", audio: encodeAudio(audio) });
        }
      },
      diesAfter: isDue,
    },
    {
      name: "the client has ended",
      session: spoken(null),
      begin: (client: RealtimeClient) => {
        client.send({ type: "input_audio_buffer.append", audio: encodeAudio(speak("turn 1, spoken")) });
        client.send({ type: "input_audio_buffer.commit" });
        client.send({ type: "response.create" });
      },
      diesAfter: isDue,
    },
    {
      name: "stands in an item",
      begin: (client: RealtimeClient) => {
        const content = [{ type: "input_audio", audio: encodeAudio(speak("turn 1, spoken")) }];
        client.send({ type: "conversation.item.create", item: { type: "message", role: "user", content } });
        client.send({ type: "response.create" });
      },
      diesAfter: isDue,
    },
  ]
) {
  Deno.test(`after a kill the turn before is not answered in place of speech that ${name}, and the client is told`, async () => {
    await using talk = await talkOn(turn);
    assertEquals(talk.errors(), ["response_lost"]);
    assertEquals([talk.upstream().answers, talk.after.all("response.created")], [[], []]);
    await talk.after.ask("turn 1");
    assertEquals(talk.upstream().transcript.at(-1), 'assistant: Answer 2: I heard "turn 1".');
  });
}

Deno.test("of two messages in a row that were stored while neither was told the next client is told both", async () => {
  let stored = 0;
  await using talk = await talkOn({
    async begin(client, upstream) {
      upstream.stall();
      client.say("turn 1");
      client.say("turn 1, once more");
      await eventually("both arrive", () => upstream.transcript.length === 4);
      upstream.resume();
    },
    diesAfter: ({ put = [] }) => (stored += put.length) === 2,
  });
  const [first, second] = talk.after.all("conversation.item.added").slice(-2);
  assert(JSON.stringify(first).includes('"turn 1"') && JSON.stringify(second).includes("once more"));
  assertEquals(second!.previous_item_id, first!.item.id);
  const known = talk.before.all("conversation.item.added").map(({ item }) => item.id);
  assert(known.includes(first!.previous_item_id!));
});

Deno.test("the end of a response outside the conversation is told by the next isolate, if this one could not", async () => {
  const input = [{ type: "message", role: "user", content: [{ type: "input_text", text: "classify" }] }];
  await using talk = await talkOn({
    begin: (client) =>
      client.send({ type: "response.create", response: { conversation: "none", metadata: { topic: "x" }, input } }),
    diesAfter: ({ due, ends }) => due?.length === 0 && ends !== undefined && ends.length > 0,
  });
  assertEquals(talk.told().filter(({ type }) => type === "response.done"), []);
  const ended = talk.after.all("response.done").map(({ response }) => response.metadata);
  assertEquals(ended.at(-1), { topic: "x" });
  assertEquals(talk.after.all("response.created"), []);
});

Deno.test("a response that the client has taken back is not asked for again", async () => {
  await using talk = await talkOn({
    begin: (client) => {
      client.say("count to 6 and wait");
      client.send({ type: "response.create" });
      client.next("response.output_text.delta").then(() => client.send({ type: "response.cancel" }));
    },
    diesAfter: ({ due }) => due?.some(({ isCancelled }) => isCancelled) ?? false,
  });
  assertEquals(talk.after.all("response.done").at(-1)?.response.status, "cancelled");
  assertEquals([talk.errors(), talk.after.all("response.created")], [[], []]);
});

Deno.test("an item that the client has deleted does not come back", async () => {
  await using talk = await talkOn({
    begin: (client) => {
      const { item } = client.all("conversation.item.added")[0]!;
      client.send({ type: "conversation.item.delete", item_id: item.id });
    },
    diesAfter: ({ pend = [] }) => pend.length > 0,
  });
  const [deleted] = talk.after.all("conversation.item.deleted");
  assertEquals(deleted?.item_id, talk.before.all("conversation.item.added")[0]!.item.id);
  assertEquals(talk.upstream().transcript, ['assistant: Answer 1: I heard "turn 0".']);
});

Deno.test("an answer that the grace of a drain cuts off while it is stored is told by the next isolate", async () => {
  await using openAi = await startOpenAiRealtime();
  const store = memorySessionStore();
  const gate = Promise.withResolvers<void>();
  const slow: SessionStore = {
    ...store,
    save: async (key, owner, changes) => {
      if (changes.ends?.length) await gate.promise;
      return await store.save(key, owner, changes);
    },
  };
  await using first = startOpenAiRelay(openAi, { store: slow });
  const before = await first.talk();
  before.send({ type: "session.update", session: TEXT });
  await before.next("session.updated");
  before.say("hello");
  before.send({ type: "response.create" });
  await before.next("response.output_text.done");
  first.isolate.drain("early_drop");
  assertEquals((await before.socket.closed).code, 1012);
  assertEquals(before.all("response.done"), []);
  gate.resolve();
  await Promise.all(first.held.promises);

  await using second = startOpenAiRelay(openAi, { store });
  await using after = await second.talk();
  assertEquals((await after.next("response.done")).response.status, "completed");
  assertEquals(openAi.sessions.at(-1)!.answers, []);
});

Deno.test("a hand-over while a conversation is rebuilt leaves what is to be told for the next isolate", async () => {
  const behaviour: { ready?: Promise<void> } = {};
  await using openAi = await startOpenAiRealtime(behaviour);
  const store = memorySessionStore();
  const mortal = mortalStore(store, { diesAfter: ({ ends = [] }) => ends.length > 0 });
  await using first = startOpenAiRelay(openAi, { store: mortal });
  await using before = await first.talk();
  before.send({ type: "session.update", session: TEXT });
  await before.next("session.updated");
  before.say("hello");
  before.send({ type: "response.create" });
  await eventually("the isolate is killed", () => mortal.isDead);

  const opened = Promise.withResolvers<void>();
  behaviour.ready = opened.promise;
  await using second = startOpenAiRelay(openAi, { store });
  const between = await second.connect("/relay/openai?session=talk&jwt=" + await tokenOf(ADA));
  await eventually("the next upstream is dialled", () => openAi.sessions.length === 2);
  second.isolate.drain("early_drop");
  assertEquals((await between.closed).code, 1012);
  behaviour.ready = undefined;
  opened.resolve();
  await Promise.all(second.held.promises);

  await using third = startOpenAiRelay(openAi, { store });
  await using after = await third.talk();
  await after.next("response.done");
  assertEquals(after.all("conversation.item.added").length, 2);
});

Deno.test("a history that a client seeds costs the store what it holds, and no more", async () => {
  await using openAi = await startOpenAiRealtime();
  const store = memorySessionStore();
  let bytes = 0;
  let saves = 0;
  const counted: SessionStore = {
    ...store,
    async save(key, owner, changes) {
      bytes += JSON.stringify(changes).length;
      saves++;
      await new Promise((resolve) => setTimeout(resolve, 5));
      return await store.save(key, owner, changes);
    },
  };
  await using relay = startOpenAiRelay(openAi, { store: counted });
  await using client = await relay.talk();
  for (let item = 0; item < 200; item++) client.say("x".repeat(200));
  await eventually("all are told", () => client.all("conversation.item.done").length === 200);
  // An item is some 300 bytes, and stands in a save when it comes and when it is confirmed.
  assert(bytes < 200 * 300 * 4, `${bytes} bytes`);
  assert(saves < 100, `${saves} saves`);
});
