import { assertEquals } from "@std/assert";
import { HAND_OVER_FRAME } from "../../../shared/protocol/relay_frames.ts";
import { memorySessionStore } from "../../../shared/relay/openai/memory_session_store.ts";
import { OpenAiSession } from "../../../shared/relay/openai/openai_session.ts";
import { Recorder } from "../../../shared/relay/openai/recorder.ts";
import type { Stage } from "../../../shared/relay/openai/stage.ts";
import { eventually } from "../../support/eventually.ts";

/** A session between a client and an upstream that are the test itself. */
async function startSession(
  { announcesHandOver = false, stages = [] }: { announcesHandOver?: boolean; stages?: readonly Stage[] } = {},
) {
  const toClient: string[] = [];
  const toUpstream: { type: string }[] = [];
  const settled: Promise<unknown>[] = [];
  let isDialled = false;
  const session = new OpenAiSession({
    stages,
    recorder: new Recorder({
      store: memorySessionStore(),
      key: { userId: "ada", sessionId: "talk" },
      limits: { maxItems: 100, maxBytes: 10_000 },
      onLost: () => {},
      onUnavailable: () => {},
    }),
    announcesHandOver,
    limits: { maxQueuedFrames: 100, maxQueuedBytes: 10_000, rebuildTimeoutMs: 1_000 },
    waitUntil: (promise) => settled.push(promise),
    redact: (text) => text,
    onFailure: () => {},
  });
  session.joined({
    dial: () => isDialled = true,
    toClient: (data) => toClient.push(data as string),
    toUpstream: (data) => toUpstream.push(JSON.parse(data as string)),
    end: () => {},
  });
  await eventually("it dials", () => isDialled);
  return {
    toClient,
    toUpstream,
    client: (event: Record<string, unknown>) => session.fromClient(JSON.stringify(event)),
    upstream: (event: Record<string, unknown>) => session.fromUpstream(JSON.stringify(event)),
    session,
    async [Symbol.asyncDispose]() {
      session.left({ reason: "closed" });
      await Promise.all(settled);
    },
  };
}

const user = { type: "message", role: "user", content: [{ type: "input_text", text: "hello" }] };
const call = { id: "c", type: "function_call", call_id: "c1", name: "f", arguments: "{}", status: "completed" };
const AUDIO = {
  type: "realtime",
  audio: { input: { transcription: { model: "m" }, turn_detection: { type: "server_vad" } } },
};

type Session = Awaited<ReturnType<typeof startSession>>;

/** What keeps a turn going, and what ends that. */
const turns: { name: string; begin: (session: Session) => void; end: (session: Session) => void }[] = [
  {
    name: "an item that is not confirmed",
    begin: ({ client }) => client({ type: "conversation.item.create", item: user }),
    end: ({ upstream }) => upstream({ type: "conversation.item.added", item: { id: "a", ...user } }),
  },
  {
    name: "an item that is not refused yet",
    begin: ({ client }) => client({ type: "conversation.item.create", event_id: "mine", item: user }),
    end: ({ upstream }) => upstream({ type: "error", error: { code: "x", event_id: "mine" } }),
  },
  {
    name: "a response that was asked for",
    begin: ({ client }) => client({ type: "response.create", event_id: "mine" }),
    end: ({ upstream }) => upstream({ type: "error", error: { code: "x", event_id: "mine" } }),
  },
  {
    name: "a response that is under way",
    begin: ({ upstream }) => upstream({ type: "response.created", response: { id: "r" } }),
    end: ({ upstream }) => upstream({ type: "response.done", response: { id: "r", output: [] } }),
  },
  {
    name: "a user who speaks, and is answered and transcribed",
    begin: ({ upstream }) => upstream({ type: "input_audio_buffer.speech_started" }),
    end: ({ upstream }) => {
      const item = { id: "a", type: "message", role: "user", content: [{ type: "input_audio", transcript: null }] };
      upstream({ type: "input_audio_buffer.committed", item_id: "a" });
      upstream({ type: "conversation.item.added", item });
      upstream({ type: "response.created", response: { id: "r" } });
      upstream({ type: "response.done", response: { id: "r", output: [] } });
      upstream({ type: "conversation.item.input_audio_transcription.completed", item_id: "a", transcript: "hello" });
    },
  },
  {
    name: "a call without its output",
    begin: ({ upstream }) => upstream({ type: "conversation.item.added", item: call }),
    end: ({ upstream }) => {
      upstream({
        type: "conversation.item.added",
        item: { id: "o", type: "function_call_output", call_id: "c1", output: "" },
      });
    },
  },
];

for (const { name, begin, end } of turns) {
  Deno.test(`a session that is to be handed over waits for ${name}`, async () => {
    await using session = await startSession();
    session.upstream({ type: "session.created", session: AUDIO });
    begin(session);
    let isReady = false;
    session.session.drain(() => isReady = true);
    // Time for all that is not waiting.
    await new Promise((resolve) => setTimeout(resolve, 5));
    assertEquals(isReady, false);
    end(session);
    await eventually("it may go", () => isReady);
    assertEquals(session.toClient.at(-1)?.includes("relay_recorded"), false);
  });
}

Deno.test("a session that is to be handed over and announces it goes once its client has said its last, and that has ended", async () => {
  await using session = await startSession({ announcesHandOver: true });
  let isReady = false;
  session.session.drain(() => isReady = true);
  await eventually("the client is told", () => session.toClient.includes(HAND_OVER_FRAME));
  session.session.drain(() => {}); // A drain that is hurried.
  session.client({ type: "response.create" });
  session.session.fromClient(HAND_OVER_FRAME);
  await eventually("it reaches the upstream", () => session.toUpstream.length === 1);
  assertEquals(isReady, false);
  session.upstream({ type: "response.created", response: { id: "r" } });
  session.upstream({ type: "response.done", response: { id: "r", output: [] } });
  await eventually("it may go", () => isReady);
  assertEquals(session.toClient.filter((frame) => frame === HAND_OVER_FRAME).length, 1);
});

Deno.test("a frame of a client that is no event gets an error, and the session goes on", async () => {
  await using session = await startSession();
  session.session.fromClient(new ArrayBuffer(1));
  session.session.fromClient("no JSON");
  session.client({ type: "input_audio_buffer.clear" });
  assertEquals(session.toClient.map((text) => JSON.parse(text).error.code), ["invalid_frame", "invalid_json"]);
  assertEquals(session.toUpstream, [{ type: "input_audio_buffer.clear" }]);
});

Deno.test("a session keeps the order of what no stage sees, behind what one of them takes its time for", async () => {
  const held = Promise.withResolvers<void>();
  const slow: Stage = {
    serverEvents: new Set(["rate_limits.updated"]),
    fromUpstream: (event) => held.promise.then(() => event),
  };
  await using session = await startSession({ stages: [slow] });
  const delta = (delta: string) => session.upstream({ type: "response.output_text.delta", delta });
  const seen = () => session.toClient.map((text) => JSON.parse(text).delta ?? JSON.parse(text).type);
  delta("1");
  delta("2");
  session.upstream({ type: "response.output_text.done" });
  assertEquals(seen(), ["1", "2", "response.output_text.done"]);
  session.upstream({ type: "rate_limits.updated" });
  delta("3");
  assertEquals(seen().length, 3);
  held.resolve();
  await eventually("what was held passes", () => seen().length === 5);
  delta("4");
  assertEquals(seen(), ["1", "2", "response.output_text.done", "rate_limits.updated", "3", "4"]);
});

Deno.test("a session shows a stage the events that it wants, however many of another kind came before", async () => {
  const seen: string[] = [];
  const stage: Stage = {
    serverEvents: new Set(["response.output_text.delta"]),
    fromUpstream: (event) => void seen.push(event.delta as string),
  };
  await using session = await startSession({ stages: [stage] });
  for (const delta of ["1", "2", "3"]) {
    session.upstream({ type: "response.output_text.delta.delta", delta });
    session.upstream({ type: "response.output_text.delta", delta });
  }
  assertEquals(seen, ["1", "2", "3"]);
  assertEquals(session.toClient.length, 3);
});
