import { assert, assertEquals } from "@std/assert";
import { type Clock, install } from "@sinonjs/fake-timers";
import { memoryUsageStore } from "../../../shared/relay/openai/memory_usage_store.ts";
import {
  LEASE_MS,
  MAX_HELD_MS,
  MAX_PARTING_MS,
  Meter,
  type MeterOptions,
  RENEW_EVERY_MS,
} from "../../../shared/relay/openai/meter.ts";
import type { RealtimeEvent } from "../../../shared/relay/openai/stage.ts";
import { DEFAULT_WEIGHTS } from "../../../shared/relay/openai/usage.ts";
import type { UsageLimits, UsageStore } from "../../../shared/relay/openai/usage_store.ts";
import { Log } from "../../../shared/telemetry/log.ts";
import { type DrivenStage, driveStage } from "./drive_stage.ts";

const NO_LIMITS: UsageLimits = { dailyBudget: null, maxSessions: null };

function fakeTime(): Clock & Disposable {
  const clock = install({ now: Date.UTC(2026, 10, 21, 23, 0), shouldClearNativeTimers: true });
  return Object.assign(clock, { [Symbol.dispose]: () => clock.uninstall() });
}

/** A meter over a store, whose log is written down. */
function createMeter(options: Partial<MeterOptions> = {}) {
  const lines: string[] = [];
  const log = new Log({ write: (_, line) => lines.push(JSON.parse(line).event) });
  const meter = new Meter({ store: memoryUsageStore(), limits: NO_LIMITS, weights: DEFAULT_WEIGHTS, log, ...options });
  return { meter, lines };
}

/** A session that was opened. */
async function startSession(meter: Meter, info: { userId?: string; sessionId?: string } = {}) {
  const session = driveStage(meter.createStage, info);
  await session.open();
  return session;
}

/** The end of a response that used as many tokens of text. */
const done = (tokens: number, id = "resp_1"): RealtimeEvent => ({
  type: "response.done",
  response: { id, usage: { output_tokens: tokens, output_token_details: { text_tokens: tokens } } },
});

/** A store that can be out of reach. */
function brittleStore() {
  const store = memoryUsageStore();
  const state = { isDown: false };
  const guarded = <Args extends unknown[], T>(call: (...args: Args) => Promise<T>) => (...args: Args) =>
    state.isDown ? Promise.reject(new Error("out of reach")) : call(...args);
  const brittle: UsageStore = { begin: guarded(store.begin), record: guarded(store.record), end: guarded(store.end) };
  return { state, store: brittle, records: store.records };
}

Deno.test("metering: usage is stored by user and session before the client hears of the end of a response", async () => {
  const store = memoryUsageStore();
  const order: string[] = [];
  const slow: UsageStore = {
    ...store,
    async record(...args) {
      const over = await store.record(...args);
      order.push("stored");
      return over;
    },
  };
  const { meter } = createMeter({ store: slow });
  const session = await startSession(meter, { userId: "ann", sessionId: "talk" });
  await session.fromUpstream({
    type: "session.updated",
    session: { audio: { input: { transcription: { model: "whisper-1" } } } },
  });
  await session.fromUpstream({
    type: "conversation.item.input_audio_transcription.completed",
    item_id: "item_1",
    transcript: "Hello",
    usage: { type: "duration", seconds: 3.5 },
  });
  await session.fromUpstream(done(7)).then(() => order.push("told"));
  assertEquals(order, ["stored", "stored", "told"]);
  assertEquals(session.client.map(({ type }) => type), [
    "session.updated",
    "conversation.item.input_audio_transcription.completed",
    "response.done",
  ]);
  const stored = [...store.records.values()].map((
    { userId, sessionId, kind, subject, model, output_text, seconds, cost },
  ) => (
    { userId, sessionId, kind, subject, model, output_text, seconds, cost }
  ));
  const of = { userId: "ann", sessionId: "talk" };
  assertEquals(stored, [
    { ...of, kind: "transcription", subject: "item_1", model: "whisper-1", output_text: 0, seconds: 3.5, cost: 35 },
    { ...of, kind: "response", subject: "resp_1", model: "gpt-realtime", output_text: 7, seconds: 0, cost: 7 },
  ]);
  await session.stage.close?.();
});

Deno.test("metering: a session that uses up the budget is told of the response, then why it ends, then closed 4402", async () => {
  const { meter } = createMeter({ limits: { dailyBudget: 10, maxSessions: null } });
  const session = await startSession(meter);
  await session.fromUpstream(done(9, "resp_1"));
  assertEquals(session.ended, []);
  await session.fromUpstream(done(1, "resp_2"));
  const [, last, error] = session.client as unknown as [unknown, RealtimeEvent, { error: Record<string, unknown> }];
  assertEquals(last, done(1, "resp_2"));
  const message = "The budget of this day is used up; the next begins at 00:00 UTC";
  assertEquals(error.error, {
    type: "insufficient_quota",
    code: "budget_exceeded",
    message: `${message}.`,
    param: null,
    event_id: null,
  });
  assertEquals(session.ended, [[4402, `budget_exceeded: ${message}`]]);
  await session.stage.close?.();
});

Deno.test("metering: a budget that is used up lets nobody of that user in until the next day", async () => {
  using clock = fakeTime();
  const { meter } = createMeter({ limits: { dailyBudget: 10, maxSessions: null } });
  const session = await startSession(meter, { userId: "ann" });
  await session.fromUpstream(done(10));
  await session.stage.close?.();

  const again = await startSession(meter, { userId: "ann" });
  assertEquals([again.client.map(({ type }) => type), again.ended[0]?.[0]], [["error"], 4402]);
  const other = await startSession(meter, { userId: "bob" });
  assertEquals(other.ended, []);
  clock.tick(3_600_000);
  const nextDay = await startSession(meter, { userId: "ann" });
  assertEquals(nextDay.ended, []);
  for (const { stage } of [again, other, nextDay]) await stage.close?.();
});

Deno.test("metering: all sessions of a user end at once on one isolate, and at the next renewal on another", async () => {
  using clock = fakeTime();
  const options = { store: memoryUsageStore(), limits: { dailyBudget: 10, maxSessions: null } };
  const here = createMeter(options).meter;
  const there = createMeter(options).meter;
  const [first, second] = [await startSession(here), await startSession(here)];
  const third = await startSession(there);
  await first.fromUpstream(done(10));
  assertEquals([first, second, third].map(({ ended }) => ended[0]?.[0]), [4402, 4402, undefined]);
  await clock.tickAsync(RENEW_EVERY_MS);
  assertEquals(third.ended[0]?.[0], 4402);
  for (const { stage } of [first, second, third]) await stage.close?.();
});

Deno.test("metering: no more sessions at once than allowed; the same session that comes back is not counted twice", async () => {
  const { meter } = createMeter({ limits: { dailyBudget: null, maxSessions: 2 } });
  const first = await startSession(meter, { sessionId: "a" });
  const second = await startSession(meter);
  const third = await startSession(meter);
  assertEquals([first.ended, second.ended, third.ended[0]?.[0]], [[], [], 4429]);
  const { error } = third.client[0] as unknown as { error: { code: string } };
  assertEquals(error.code, "too_many_sessions");
  const back = await startSession(meter, { sessionId: "a" });
  assertEquals(back.ended, []);
  // The one that was replaced gives nothing back that is not its own.
  await first.stage.close?.();
  assertEquals((await startSession(meter)).ended[0]?.[0], 4429);
  await second.stage.close?.();
  const fourth = await startSession(meter);
  assertEquals(fourth.ended, []);
  for (const { stage } of [third, back, fourth]) await stage.close?.();
});

Deno.test("metering: the lease of a killed isolate runs out, that of a living one does not", async () => {
  using clock = fakeTime();
  const options = { store: memoryUsageStore(), limits: { dailyBudget: null, maxSessions: 1 } };
  const living = await startSession(createMeter(options).meter, { userId: "ann" });
  await options.store.begin({ userId: "bob", sessionId: "s", lease: "killed" }, options.limits, LEASE_MS);
  await clock.tickAsync(LEASE_MS + 1);
  const { meter } = createMeter(options);
  const [ann, bob] = [await startSession(meter, { userId: "ann" }), await startSession(meter, { userId: "bob" })];
  assertEquals([ann.ended[0]?.[0], bob.ended], [4429, []]);
  for (const { stage } of [living, ann, bob]) await stage.close?.();
});

Deno.test("metering: nobody begins while the store is out of reach", async () => {
  const { state, store } = brittleStore();
  state.isDown = true;
  const { meter, lines } = createMeter({ store });
  const session = await startSession(meter);
  assertEquals(session.ended, [[1013, "store_unavailable: The database cannot be reached"]]);
  assertEquals(lines, ["openai.usage_unavailable"]);
  await session.stage.close?.();
});

Deno.test("metering: a session goes on while the store is gone for a moment, and its usage is stored after that", async () => {
  using clock = fakeTime();
  const { state, store, records } = brittleStore();
  const { meter } = createMeter({ store });
  const session = await startSession(meter);
  state.isDown = true;
  await session.fromUpstream(done(1, "resp_1"));
  assertEquals([session.client.length, records.size], [1, 0]);
  state.isDown = false;
  await clock.tickAsync(RENEW_EVERY_MS);
  assertEquals([...records.values()].map(({ subject }) => subject), ["resp_1"]);
  await session.stage.close?.();
});

Deno.test("metering: sessions end once the store has been gone for as long as leases last", async () => {
  using clock = fakeTime();
  const { state, store, records } = brittleStore();
  const { meter } = createMeter({ store });
  const session = await startSession(meter);
  state.isDown = true;
  await clock.tickAsync(LEASE_MS + RENEW_EVERY_MS - 1);
  assertEquals(session.ended, []);
  await clock.tickAsync(1);
  assertEquals(session.ended[0]?.[0], 1013);
  await session.fromUpstream(done(1));
  state.isDown = false;
  await session.stage.close?.();
  assertEquals(records.size, 1);
});

Deno.test("metering: a renewal that failed in a session before is not held against those that come later", async () => {
  using clock = fakeTime();
  const { state, store } = brittleStore();
  const { meter } = createMeter({ store });
  const failOneRenewal = async () => {
    state.isDown = true;
    await clock.tickAsync(RENEW_EVERY_MS);
    state.isDown = false;
  };
  const first = await startSession(meter);
  await failOneRenewal();
  await first.stage.close?.();
  await clock.tickAsync(2 * LEASE_MS);
  const second = await startSession(meter);
  await failOneRenewal();
  assertEquals(second.ended, []);
  await second.stage.close?.();
});

Deno.test("metering: the end of a response is not held for long, and a session is not over before its usage is stored", async () => {
  using clock = fakeTime();
  const store = memoryUsageStore();
  const answer = Promise.withResolvers<void>();
  const slow: UsageStore = { ...store, record: (...args) => answer.promise.then(() => store.record(...args)) };
  const { meter } = createMeter({ store: slow });
  const session = await startSession(meter);
  const passing = session.fromUpstream(done(1));
  await clock.tickAsync(MAX_HELD_MS - 1);
  assertEquals(session.client.length, 0);
  await clock.tickAsync(1);
  await passing;
  assertEquals([session.client.length, store.records.size], [1, 0]);
  const closing = session.stage.close?.();
  answer.resolve();
  await closing;
  assertEquals(store.records.size, 1);
});

Deno.test("metering: what comes while a call is under way goes in one call after it", async () => {
  const store = memoryUsageStore();
  const batches: number[] = [];
  const gate = Promise.withResolvers<void>();
  const counted: UsageStore = {
    ...store,
    async record(batch, ...others) {
      batches.push(batch.usage.length);
      await gate.promise;
      return await store.record(batch, ...others);
    },
  };
  const { meter } = createMeter({ store: counted });
  const sessions = await Promise.all(Array.from({ length: 5 }, () => startSession(meter)));
  const passing = sessions.map((session) => session.fromUpstream(done(1)));
  gate.resolve();
  await Promise.all(passing);
  assertEquals(batches, [1, 4]);
  for (const { stage } of sessions) await stage.close?.();
});

Deno.test("metering: a client that leaves while it is being admitted holds nothing", async () => {
  const store = memoryUsageStore();
  const gate = Promise.withResolvers<void>();
  const slow: UsageStore = { ...store, begin: (...args) => gate.promise.then(() => store.begin(...args)) };
  const limits = { dailyBudget: null, maxSessions: 1 };
  const { meter } = createMeter({ store: slow, limits });
  const session = driveStage(meter.createStage);
  const opening = session.open();
  await session.stage.close?.();
  gate.resolve();
  await opening;
  const next = await startSession(meter);
  assertEquals(next.ended, []);
  await next.stage.close?.();
});

Deno.test("metering: events without usage pass at once, as the object they came as", async () => {
  const { meter } = createMeter();
  const session = await startSession(meter);
  const failed = { type: "response.done", response: { id: "r", status: "failed", usage: null } };
  await session.fromUpstream(failed);
  assert(session.client[0] === failed);
  await session.stage.close?.();
});

Deno.test("metering: what could not be stored when the last session leaves is tried again, before it is over", async () => {
  using clock = fakeTime();
  const { state, store, records } = brittleStore();
  const { meter } = createMeter({ store });
  const session = await startSession(meter);
  state.isDown = true;
  await session.fromUpstream(done(1));
  let isOver = false;
  const closing = Promise.resolve(session.stage.close?.()).then(() => isOver = true);
  await clock.tickAsync(600);
  assertEquals([isOver, records.size], [false, 0]);
  state.isDown = false;
  await clock.tickAsync(10_000);
  await closing;
  assertEquals(records.size, 1);
});

Deno.test("metering: a store that stays out of reach holds a session that is over for some seconds only", async () => {
  using clock = fakeTime();
  const { state, store } = brittleStore();
  const { meter } = createMeter({ store });
  const session = await startSession(meter);
  state.isDown = true;
  await session.fromUpstream(done(1));
  const closing = session.stage.close?.();
  await clock.tickAsync(10_000);
  await closing;
});

Deno.test("metering: an upstream that is let go of is told to stop, and heard until it has told what all used", async () => {
  const { meter } = createMeter();
  const { stage, fromUpstream } = await startSession(meter);
  await fromUpstream({ type: "session.updated", session: { audio: { input: { transcription: { model: "w" } } } } });
  await fromUpstream({ type: "input_audio_buffer.committed", item_id: "item_1" });
  await fromUpstream({ type: "response.created", response: { id: "resp_1" } });
  await fromUpstream({ type: "response.created", response: { id: "resp_2" } });
  await fromUpstream(done(1, "resp_1"));
  const sent: RealtimeEvent[] = [];
  let isHeard = false;
  const heard = stage.parting?.((event) => sent.push(event))?.then(() => isHeard = true);
  assertEquals(sent, [{ type: "response.cancel", response_id: "resp_2" }]);
  await fromUpstream(done(1, "resp_2"));
  assertEquals(isHeard, false);
  await fromUpstream({ type: "conversation.item.input_audio_transcription.failed", item_id: "item_1" });
  await heard;
  assertEquals(stage.parting?.(() => {}), undefined);
  await stage.close?.();
});

const SPOKEN_TO = { audio: { input: { turn_detection: { type: "server_vad" } } } };

for (
  const [name, ask] of [
    ["was asked for", ({ stage }: DrivenStage) => stage.asked?.({ type: "response.create" })],
    ["OpenAI was to begin by itself", ({ stage }: DrivenStage) => {
      stage.arrived?.({ type: "session.updated", session: SPOKEN_TO });
      stage.arrived?.({ type: "input_audio_buffer.committed", item_id: "item_1" });
    }],
  ] as const
) {
  Deno.test(`metering: a response that ${name} is cancelled once it begins behind its client`, async () => {
    using clock = fakeTime();
    const store = memoryUsageStore();
    const { meter } = createMeter({ store });
    const session = await startSession(meter);
    const { stage } = session;
    stage.arrived?.({ type: "session.created", session: {} });
    ask(session);
    const sent: RealtimeEvent[] = [];
    const closing = stage.close?.();
    const heard = stage.parting?.((event) => sent.push(event));
    assertEquals(sent, []);
    stage.arrived?.({ type: "response.created", response: { id: "resp_1" } });
    assertEquals(sent, [{ type: "response.cancel", response_id: "resp_1" }]);
    stage.arrived?.(done(3));
    await heard;
    await closing;
    assertEquals([store.records.size, clock.countTimers()], [1, 0]);
  });
}

Deno.test("metering: what was refused, lost, or asked of nobody is not waited for", async () => {
  using clock = fakeTime();
  const { meter } = createMeter();
  const [refused, lost, early] = [await startSession(meter), await startSession(meter), await startSession(meter)];
  for (const { stage } of [refused, lost]) stage.arrived?.({ type: "session.created", session: {} });
  for (const { stage } of [refused, lost, early]) stage.asked?.({ type: "response.create", event_id: "mine" });
  refused.stage.asked?.({ type: "response.create" });
  refused.stage.arrived?.({ type: "error", error: { code: "invalid_value", event_id: "mine" } });
  refused.stage.arrived?.({ type: "error", error: { code: "invalid_value", event_id: null } });
  assert(refused.stage.parting?.(() => {}) !== undefined, "the one without an id is not refused by that");
  const isActive = "conversation_already_has_active_response";
  refused.stage.arrived?.({ type: "error", error: { code: isActive, event_id: null } });
  lost.stage.upstreamLost?.();
  for (const { stage } of [refused, lost]) assertEquals(stage.parting?.(() => {}), undefined);
  for (const { stage } of [refused, lost, early]) await stage.close?.();
  assertEquals(clock.countTimers(), 0);
});

Deno.test("metering: an upstream that says nothing more, or is gone, is not waited for", async () => {
  using clock = fakeTime();
  const { meter } = createMeter();
  const [silent, gone] = [await startSession(meter), await startSession(meter)];
  for (const { fromUpstream } of [silent, gone]) {
    await fromUpstream({ type: "response.created", response: { id: "resp_1" } });
  }
  let isHeard = false;
  const heard = silent.stage.parting?.(() => {})?.then(() => isHeard = true);
  await clock.tickAsync(MAX_PARTING_MS - 1);
  assertEquals(isHeard, false);
  await clock.tickAsync(1);
  await heard;
  gone.stage.upstreamLost?.();
  assertEquals(gone.stage.parting?.(() => {}), undefined);
  for (const { stage } of [silent, gone]) await stage.close?.();
});

Deno.test("metering: usage counts when it arrives, and ends the session of a client that is never told of it", async () => {
  using clock = fakeTime();
  const store = memoryUsageStore();
  const { meter } = createMeter({ store, limits: { dailyBudget: 10, maxSessions: null } });
  const session = await startSession(meter);
  session.stage.arrived?.(done(10));
  await clock.tickAsync(MAX_HELD_MS - 1);
  assertEquals([store.records.size, session.ended.length], [1, 0]);
  await clock.tickAsync(1);
  assertEquals(session.ended[0]?.[0], 4402);
  await session.stage.close?.();
});

Deno.test("metering: a session that is over waits for what its upstream still tells, and leaves no timer behind", async () => {
  using clock = fakeTime();
  const store = memoryUsageStore();
  const { meter } = createMeter({ store, limits: { dailyBudget: 10, maxSessions: null } });
  const { stage } = await startSession(meter);
  stage.arrived?.({ type: "response.created", response: { id: "resp_1" } });
  const closing = stage.close?.();
  stage.arrived?.(done(10));
  await closing;
  assertEquals([store.records.size, clock.countTimers()], [1, 0]);
});
