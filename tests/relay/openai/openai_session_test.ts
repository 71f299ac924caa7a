import { assert, assertEquals } from "@std/assert";
import { HAND_OVER_FRAME } from "../../../shared/protocol/relay_frames.ts";
import { memorySessionStore } from "../../../shared/relay/openai/memory_session_store.ts";
import { OpenAiSession } from "../../../shared/relay/openai/openai_session.ts";
import { Recorder } from "../../../shared/relay/openai/recorder.ts";
import type { SessionChanges } from "../../../shared/relay/openai/session_store.ts";
import type { Stage } from "../../../shared/relay/openai/stage.ts";
import { claimRecord } from "./claim_record.ts";
import { eventually } from "../../support/eventually.ts";

const KEY = { userId: "ada", sessionId: "talk" };

interface SessionSetting {
  readonly announcesHandOver?: boolean;
  readonly stages?: readonly Stage[];
  /** What is stored of the conversation before. */
  readonly before?: SessionChanges;
}

/** A session between a client and an upstream that are the test itself. */
async function startSession({ announcesHandOver = false, stages = [], before }: SessionSetting = {}) {
  const toClient: string[] = [];
  const toUpstream: { type: string; event_id?: string }[] = [];
  const settled: Promise<unknown>[] = [];
  const ended: [number, string][] = [];
  const failures: string[] = [];
  let dials = 0;
  const store = memorySessionStore();
  if (before !== undefined) {
    await store.claim(KEY, "owner before");
    await store.save(KEY, "owner before", before);
  }
  const session = new OpenAiSession({
    stages,
    recorder: new Recorder({
      store,
      key: KEY,
      limits: { maxItems: 100, maxBytes: 10_000 },
      onLost: () => {},
      onUnavailable: () => {},
    }),
    announcesHandOver,
    limits: { maxQueuedFrames: 100, maxQueuedBytes: 10_000, rebuildTimeoutMs: 1_000, answerTimeoutMs: 60_000 },
    waitUntil: (promise) => settled.push(promise),
    redact: (text) => text,
    onFailure: (line) => failures.push(line),
  });
  session.joined({
    dial: () => dials++,
    toClient: (data) => toClient.push(data as string),
    toUpstream: (data) => toUpstream.push(JSON.parse(data as string)),
    listen: () => () => true,
    lose: () => {},
    end: (...how) => ended.push(how),
  });
  await eventually("it dials", () => dials > 0);
  return {
    toClient,
    toUpstream,
    ended,
    failures,
    store,
    dials: () => dials,
    /** The types of what the client was told. */
    told: () => toClient.map((text) => JSON.parse(text).type),
    client: (event: Record<string, unknown>) => session.fromClient(JSON.stringify(event)),
    upstream: (event: Record<string, unknown>) => session.fromUpstream(JSON.stringify(event)),
    session,
    /** Leaves, and gives what the next one finds. */
    async leave(reason: string, { isDrained = true } = {}) {
      session.left({ reason, isDrained });
      await Promise.all(settled);
      return await claimRecord(store, KEY, "owner behind");
    },
    async [Symbol.asyncDispose]() {
      session.left({ reason: "closed", isDrained: true });
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
/** The client says when a turn ends. */
const BY_CLIENT = { type: "realtime", audio: { input: { turn_detection: null } } };

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
    name: "speech that the client says is over",
    begin: ({ client }) => client({ type: "input_audio_buffer.commit" }),
    end: ({ upstream }) => {
      upstream({ type: "input_audio_buffer.committed", item_id: "a" });
      upstream({ type: "conversation.item.added", item: { id: "a", ...user } });
    },
  },
  {
    name: "speech that its client has not ended",
    begin: ({ upstream, client }) => {
      upstream({ type: "session.updated", session: BY_CLIENT });
      client({ type: "input_audio_buffer.append", audio: "AAAA" });
    },
    end: ({ upstream, client }) => {
      client({ type: "input_audio_buffer.commit" });
      upstream({ type: "input_audio_buffer.committed", item_id: "a" });
      upstream({ type: "conversation.item.added", item: { id: "a", ...user } });
    },
  },
  {
    name: "speech that its client takes back in the end",
    begin: ({ upstream, client }) => {
      client({ type: "input_audio_buffer.append", audio: "AAAA" });
      upstream({ type: "session.updated", session: BY_CLIENT });
    },
    end: ({ upstream, client }) => {
      client({ type: "input_audio_buffer.clear" });
      upstream({ type: "input_audio_buffer.cleared" });
    },
  },
  {
    name: "an answer that OpenAI was to begin by itself, and refuses",
    begin: ({ upstream }) => {
      upstream({ type: "input_audio_buffer.speech_stopped", item_id: "a" });
      upstream({ type: "input_audio_buffer.committed", item_id: "a" });
    },
    end: ({ upstream }) =>
      upstream({ type: "error", error: { code: "conversation_already_has_active_response", event_id: null } }),
  },
  {
    name: "an answer that OpenAI was to begin by itself, where another had been asked for and was begun",
    begin: ({ upstream, client }) => {
      upstream({ type: "input_audio_buffer.committed", item_id: "a" });
      client({ type: "response.create" });
      upstream({ type: "response.created", response: { id: "r" } });
    },
    end: ({ upstream }) => upstream({ type: "response.done", response: { id: "r", output: [] } }),
  },
  {
    name: "an answer in the conversation, and not only for the one beside it that was asked for first",
    begin: ({ upstream, client }) => {
      client({ type: "response.create", response: { conversation: "none" } });
      client({ type: "response.create" });
      upstream({ type: "response.created", response: { id: "r", conversation_id: "conv" } });
      upstream({ type: "response.created", response: { id: "aside", conversation_id: null } });
      upstream({ type: "response.done", response: { id: "aside", conversation_id: null, output: [] } });
    },
    end: ({ upstream }) => upstream({ type: "response.done", response: { id: "r", output: [] } }),
  },
  {
    name: "an item that is to be deleted",
    begin: ({ client }) => client({ type: "conversation.item.delete", item_id: "a" }),
    end: ({ upstream }) => upstream({ type: "conversation.item.deleted", item_id: "a" }),
  },
  {
    name: "an item that is to be cut",
    begin: ({ client }) =>
      client({ type: "conversation.item.truncate", item_id: "a", content_index: 0, audio_end_ms: 1 }),
    end: ({ upstream }) => upstream({ type: "conversation.item.truncated", item_id: "a", audio_end_ms: 1 }),
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

Deno.test("a session that would be too large to be kept is refused, with what is not confirmed yet", async () => {
  await using session = await startSession();
  session.upstream({ type: "session.created", session: {} });
  const text = "x".repeat(150 * 1024);
  session.client({ type: "session.update", session: { type: "realtime", instructions: text } });
  session.client({ type: "session.update", event_id: "mine", session: { type: "realtime", prompt: { id: text } } });
  session.client({ type: "session.update", session: { type: "realtime", instructions: text } });
  assertEquals(session.toUpstream.length, 2);
  const { error } = JSON.parse(session.toClient.at(-1)!);
  assertEquals([error.code, error.event_id], ["session_too_large", "mine"]);
});

Deno.test("a client is not told which key OpenAI has refused", async () => {
  await using session = await startSession();
  const message = "Incorrect API key provided: sk-proj-********wxyz.";
  session.upstream({ type: "error", error: { type: "invalid_request_error", code: "invalid_api_key", message } });
  const { error } = JSON.parse(session.toClient.at(-1)!);
  assertEquals([error.code, error.message], ["invalid_api_key", "The relay's key was refused."]);
  assertEquals(session.failures, ["OpenAI refuses the key: invalid_api_key"]);
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

const BEFORE: SessionChanges = {
  put: [{
    id: "a",
    place: 1,
    audioMs: 0,
    item: { id: "a", type: "message", role: "user", content: [{ type: "input_text", text: "hello" }] },
  }],
  untold: ["a"],
};

/** The upstream confirms all that it was sent to rebuild the conversation. */
function confirm({ upstream }: Session): void {
  upstream({ type: "session.created", session: {} });
  upstream({ type: "session.updated", session: {} });
  upstream({ type: "conversation.item.added", item: { id: "a", ...user } });
}

Deno.test("a session shows itself to its client when the conversation is there, and not before", async () => {
  await using session = await startSession({ before: BEFORE });
  session.upstream({ type: "session.created", session: {} });
  assertEquals(session.told(), []);
  session.upstream({ type: "session.updated", session: {} });
  session.upstream({ type: "conversation.item.added", item: { id: "a", ...user } });
  await eventually("it is shown", () => session.toClient.length === 5);
  assertEquals(session.told(), [
    "session.created",
    "session.updated",
    "input_audio_buffer.cleared",
    "conversation.item.added",
    "conversation.item.done",
  ]);
});

Deno.test("a session whose conversation is not there yet is not handed over, and then not before what its client sent", async () => {
  await using session = await startSession({ before: BEFORE });
  session.client({ type: "response.create" });
  let isReady = false;
  session.session.drain(() => isReady = true);
  await new Promise((resolve) => setTimeout(resolve, 5));
  assertEquals(isReady, false);
  confirm(session);
  await eventually("it is asked for", () => session.toUpstream.at(-1)!.type === "response.create");
  assertEquals(isReady, false);
  session.upstream({ type: "response.created", response: { id: "r" } });
  session.upstream({ type: "response.done", response: { id: "r", output: [] } });
  await eventually("it may go", () => isReady);
});

Deno.test("a client that leaves while its conversation is rebuilt has not been told of it", async () => {
  await using session = await startSession({ before: BEFORE });
  assertEquals((await session.leave("hand_over")).told, false);
});

for (
  const [what, reason, { isDrained, isHeld, isTold }] of [
    ["has all when it is handed over", "hand_over", { isDrained: true, isHeld: false, isTold: true }],
    ["is handed over while a stage holds its answer", "hand_over", { isDrained: true, isHeld: true, isTold: false }],
    ["is handed over before it has read all", "hand_over", { isDrained: false, isHeld: false, isTold: false }],
    ["breaks off", "lost", { isDrained: true, isHeld: false, isTold: false }],
  ] as const
) {
  Deno.test(`a client that ${what} counts as ${isTold ? "told" : "not told"}`, async () => {
    const slow: Stage = {
      serverEvents: new Set(["response.done"]),
      fromUpstream: (event) => isHeld ? new Promise(() => {}) : event,
    };
    await using session = await startSession({ stages: [slow] });
    session.upstream({ type: "response.created", response: { id: "r" } });
    session.upstream({ type: "response.done", response: { id: "r", output: [] } });
    // All is stored, and gone or held.
    await new Promise((resolve) => setTimeout(resolve, 5));
    const record = await session.leave(reason, { isDrained });
    assertEquals([record.told, record.ends.length], [isTold, 1]);
  });
}

for (
  const [what, text] of [
    ["an error without its content", '{"type":"error"}'],
    ["an error that is null", '{"type":"error","error":null}'],
  ] as const
) {
  Deno.test(`a session goes on after ${what}, also while its conversation is rebuilt`, async () => {
    await using session = await startSession({ before: BEFORE });
    session.session.fromUpstream(text);
    confirm(session);
    session.session.fromUpstream(text);
    assertEquals([session.ended, session.told().filter((type) => type === "error").length], [[], 2]);
  });
}

for (const before of [undefined, BEFORE]) {
  Deno.test(`an event that breaks off ends the session${before ? " that is rebuilt" : ""}, and no other`, async () => {
    await using session = await startSession({ before });
    session.session.fromUpstream('{"type":"session.updated","session":{');
    session.session.fromUpstream('{"type":"error","error":{');
    assertEquals(session.ended, [[1011, "internal: The session failed"]]);
  });
}

Deno.test("a conversation whose upstream is lost while it is rebuilt is rebuilt at the next, three times in a row", async () => {
  await using session = await startSession({ before: BEFORE });
  for (let lost = 1; lost <= 3; lost++) {
    session.upstream({ type: "session.created", session: {} });
    assertEquals(session.session.upstreamLost(1006, "gone"), true);
    await eventually("the next is dialled", () => session.dials() === lost + 1);
  }
  confirm(session);
  const types = session.toUpstream.map(({ type }) => type);
  assertEquals(types.slice(-2), ["session.update", "conversation.item.create"]);
  assertEquals(session.told().slice(0, 2), ["session.created", "session.updated"]);
  assertEquals(session.session.upstreamLost(1006, "gone"), false);
});

Deno.test("what a client takes back, deletes or cuts is kept until it is confirmed", async () => {
  await using session = await startSession();
  session.client({ type: "response.create", event_id: "mine" });
  session.client({ type: "conversation.item.delete", event_id: "delete", item_id: "a" });
  session.client({
    type: "conversation.item.truncate",
    event_id: "cut",
    item_id: "b",
    content_index: 0,
    audio_end_ms: 1,
  });
  session.client({ type: "response.cancel" });
  const { due, pending } = await session.leave("lost");
  assertEquals([due[0]?.isCancelled, pending.map(({ event }) => event.event_id)], [true, ["delete", "cut"]]);
});

Deno.test("what is taken back too early goes on, and is kept so", async () => {
  await using session = await startSession();
  session.client({ type: "response.create", event_id: "mine" });
  session.client({ type: "response.cancel" });
  session.upstream({ type: "error", error: { code: "response_cancel_not_active", event_id: null } });
  assertEquals((await session.leave("lost")).due[0]?.isCancelled, undefined);
});

Deno.test("the end of each response is kept until its client goes on, also beside the conversation or shortened", async () => {
  await using session = await startSession();
  const ids = ["aside", "long"];
  const output = [{
    id: "i",
    type: "message",
    role: "assistant",
    content: [{ type: "output_text", text: "x".repeat(70_000) }],
  }];
  session.upstream({ type: "response.created", response: { id: "aside", conversation_id: null } });
  session.upstream({ type: "response.done", response: { id: "aside", conversation_id: null, output: [] } });
  session.upstream({ type: "response.done", response: { id: "long", conversation_id: "conv", output } });
  const { store } = session;
  const keptEnds = async () => {
    const { ends } = await claimRecord(store, KEY, "nobody");
    return ends.map(({ response }) => response as { id: string; output: unknown[] });
  };
  const record = await session.leave("lost");
  assertEquals(record.ends.map(({ response }) => (response as { id: string }).id), ids);
  assertEquals((await keptEnds()).map(({ output }) => output), [[], []]);
});

Deno.test("a response that begins is the one that was asked for so: in the conversation, beside it, by its metadata", async () => {
  await using session = await startSession();
  const metadata = { topic: "x" };
  session.client({ type: "response.create", event_id: "aside", response: { conversation: "none" } });
  session.client({ type: "response.create", event_id: "plain" });
  session.client({ type: "response.create", event_id: "named", response: { metadata } });
  session.upstream({ type: "response.created", response: { id: "r", conversation_id: "conv", metadata } });
  session.upstream({ type: "response.created", response: { id: "s", conversation_id: "conv", metadata: null } });
  session.upstream({ type: "response.created", response: { id: "t", conversation_id: null, metadata: null } });
  const { due } = await session.leave("lost");
  assertEquals(due.map(({ create, responseId }) => [create.event_id, responseId]), [
    ["named", "r"],
    ["plain", "s"],
    ["aside", "t"],
  ]);
});

/** A session whose upstream has what the user said first. */
async function answering(): Promise<Session> {
  const session = await startSession();
  session.upstream({ type: "session.created", session: {} });
  session.upstream({ type: "session.updated", session: {} });
  session.client({ type: "conversation.item.create", event_id: "item", item: user });
  session.upstream({ type: "conversation.item.added", item: { id: "a", ...user } });
  return session;
}

Deno.test("a request that OpenAI refused without naming it is due no longer once the next one is answered", async () => {
  await using session = await answering();
  session.client({ type: "response.create" });
  session.upstream({ type: "error", error: { type: "server_error", code: null, event_id: null } });
  session.client({ type: "response.create" });
  session.client({ type: "response.create", response: { conversation: "none" } });
  session.upstream({ type: "response.created", response: { id: "r", conversation_id: "c" } });
  session.upstream({ type: "response.done", response: { id: "r", conversation_id: "c", output: [] } });
  const { due } = await session.leave("lost");
  assertEquals(due.map(({ create }) => create.response), [{ conversation: "none" }], "that one runs beside the others");
});

Deno.test("an error about another event does not take back the request for a response that has the same id", async () => {
  await using session = await answering();
  session.client({ type: "conversation.item.delete", event_id: "mine", item_id: "none" });
  session.client({ type: "response.create", event_id: "mine" });
  session.upstream({ type: "error", error: { code: "item_delete_invalid_item_id", event_id: "mine" } });
  const { due } = await session.leave("lost");
  assertEquals(due.map(({ create }) => create), [{ type: "response.create", event_id: "mine" }]);
});

Deno.test("an answer that OpenAI began by itself is asked for again as any other, by an id that no client sees", async () => {
  const item = { id: "a", ...user };
  const put = [{ id: "a", place: 1, item, audioMs: 0 }];
  const due = [{ create: { type: "response.create" }, responseId: "r", itemIds: [], retries: 0 }];
  await using session = await startSession({ before: { put, due, told: true } });
  session.upstream({ type: "session.created", session: {} });
  session.upstream({ type: "session.updated", session: {} });
  session.upstream({ type: "conversation.item.added", item });
  const asked = await eventually("it is asked for", () => session.toUpstream.find((e) => e.type === "response.create"));
  assert(asked?.event_id?.startsWith("relay_recorded_"));
  session.upstream({ type: "input_audio_buffer.speech_started" });
  session.upstream({ type: "error", error: { code: "x", event_id: asked.event_id } });
  const { error } = JSON.parse(session.toClient.findLast((text) => text.includes('"error"'))!);
  assertEquals(error.event_id, null);
  assertEquals((await session.leave("lost")).due, []);
});
