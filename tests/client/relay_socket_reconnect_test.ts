import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { type ReconnectOptions, RelaySocket } from "../../shared/client/relay_socket.ts";
import type { SocketOptions } from "../../shared/connection/mod.ts";
import { memorySessionStore } from "../../shared/relay/openai/memory_session_store.ts";
import { memoryUsageStore } from "../../shared/relay/openai/memory_usage_store.ts";
import { Meter } from "../../shared/relay/openai/meter.ts";
import type { OpenAiSessionsOptions } from "../../shared/relay/openai/openai_sessions.ts";
import { DEFAULT_WEIGHTS } from "../../shared/relay/openai/usage.ts";
import { ADA, type OpenAiRelay, startOpenAiRelay, tokenOf } from "../relay/openai/start_openai_relay.ts";
import { startOpenAiRealtime } from "../relay/openai_realtime_server/start_openai_realtime.ts";
import { eventually } from "../support/eventually.ts";
import { startTcpFront } from "../support/tcp_front.ts";
import { within } from "../support/within.ts";

const TOKEN = await tokenOf(ADA);

/** A socket, and all that it has told. */
class Session {
  readonly socket: RelaySocket;
  readonly told: string[] = [];
  readonly events: Record<string, unknown>[] = [];
  tokens = 0;

  constructor(host: string, reconnect: boolean | ReconnectOptions, token: () => string | undefined = () => TOKEN) {
    this.socket = new RelaySocket(`ws://${host}/relay/openai`, ["realtime"], {
      token: () => (this.tokens++, token()),
      reconnect,
    });
    for (const type of ["open", "error", "reconnecting", "reconnected"]) {
      this.socket.addEventListener(type, () => this.told.push(type));
    }
    this.socket.addEventListener("close", ({ code }) => this.told.push(`close ${code}`));
    this.socket.addEventListener("message", ({ data }) => this.events.push(JSON.parse(data)));
  }

  send(event: Record<string, unknown>): void {
    this.socket.send(JSON.stringify(event));
  }

  say(text: string): void {
    const item = { type: "message", role: "user", content: [{ type: "input_text", text }] };
    this.send({ type: "conversation.item.create", item });
  }

  ask(text: string): void {
    this.say(text);
    this.send({ type: "response.create" });
  }

  count(type: string): number {
    return this.events.filter((event) => event.type === type).length;
  }

  async saw(type: string, times: number): Promise<void> {
    await eventually(`"${type}" comes for the ${times}. time`, () => this.count(type) >= times);
  }

  async tells(what: string): Promise<void> {
    await eventually(`the socket tells "${what}"`, () => this.told.includes(what));
  }
}

/** Isolates one after another at one address, with one store. */
async function startIsolates(sockets?: SocketOptions, stages?: OpenAiSessionsOptions["stages"]) {
  const openAi = await startOpenAiRealtime();
  const store = memorySessionStore();
  const relays: OpenAiRelay[] = [];
  const next = () => relays.push(startOpenAiRelay(openAi, { store, sockets, stages }));
  next();
  const front = startTcpFront(() => relays.at(-1)!.host);
  return {
    openAi,
    store,
    relays,
    next,
    host: front.host,
    async [Symbol.asyncDispose]() {
      front[Symbol.dispose]();
      for (const relay of relays) await relay[Symbol.asyncDispose]();
      await openAi[Symbol.asyncDispose]();
    },
  };
}

Deno.test("RelaySocket with reconnect stays open over a hand-over, and sends what was sent meanwhile", async () => {
  await using isolates = await startIsolates();
  const session = new Session(isolates.host, true);
  assertMatch(session.socket.url, /[?&]session=[0-9a-f]{32}&hand_over=announced$/);
  await session.saw("session.created", 1);
  session.send({ type: "session.update", session: { type: "realtime", output_modalities: ["text"] } });
  session.ask("one");
  await session.saw("response.done", 1);
  isolates.next();
  session.socket.addEventListener("reconnecting", () => {
    assertEquals(session.socket.readyState, RelaySocket.OPEN);
    session.ask("two");
    assert(session.socket.bufferedAmount > 0);
  });
  isolates.relays[0]!.isolate.drain("wall_clock");
  await session.saw("response.done", 2);
  assertEquals(isolates.openAi.sessions[1]!.transcript, [
    "user: one",
    'assistant: Answer 1: I heard "one".',
    "user: two",
    'assistant: Answer 2: I heard "two".',
  ]);
  assertEquals(session.told, ["open", "reconnecting", "reconnected"]);
  assertEquals([session.count("session.created"), session.tokens, session.socket.protocol], [2, 2, "realtime"]);
  session.socket.close(1000);
  await session.tells("close 1000");
  assertEquals(session.socket.readyState, RelaySocket.CLOSED);
});

Deno.test("RelaySocket with reconnect goes on after a connection that broke, and without it does not", async () => {
  await using isolates = await startIsolates();
  const [going, staying] = [new Session(isolates.host, true), new Session(isolates.host, false)];
  for (const session of [going, staying]) await session.saw("session.created", 1);
  assertEquals(new URL(staying.socket.url).search, "");
  going.ask("one");
  await going.saw("response.done", 1);
  isolates.next();
  await isolates.relays[0]![Symbol.asyncDispose]();
  // Deno says 0 where a browser says 1006.
  await eventually("the other ends", () => /^close (0|1006)$/.test(staying.told.at(-1) ?? ""));
  await going.saw("session.updated", 1);
  assertEquals(going.told, ["open", "reconnecting", "reconnected"]);
  going.socket.close();
  await going.tells("close 1000");
});

Deno.test("RelaySocket with reconnect sends what a long outage held back no faster than the relay's own limits let it", async () => {
  await using isolates = await startIsolates({});
  const session = new Session(isolates.host, true);
  await session.saw("session.created", 1);
  let sent = 0;
  const speak = (frames: number) => {
    for (const last = sent + frames; sent < last; sent++) {
      session.send({ type: "input_audio_buffer.append", event_id: `${sent}`, audio: "AAAA" });
    }
  };
  // More than the relay takes at once: six seconds of frames of 20 ms.
  session.socket.addEventListener("reconnecting", () => speak(300), { once: true });
  session.socket.addEventListener("reconnected", () => speak(1), { once: true });
  const heard = () =>
    isolates.openAi.sessions.map(({ received }) => received.flatMap(({ event_id }) => event_id ?? []));
  isolates.next();
  isolates.relays[0]!.isolate.drain("wall_clock");
  await eventually("a part has been sent", () => (heard()[1]?.length ?? 0) > 50);
  assert(session.socket.bufferedAmount > 0);
  // What still waits goes with the session to the next isolate.
  isolates.next();
  isolates.relays[1]!.isolate.drain("cpu");
  await eventually("all is heard", () => heard().flat().length >= sent);
  assertEquals(heard().flat(), Array.from({ length: 301 }, (_, frame) => `${frame}`));
  assertEquals(heard().map((frames) => frames.length > 0), [false, true, true]);
  assertEquals(session.told, ["open", "reconnecting", "reconnected", "reconnecting", "reconnected"]);
  assertEquals(session.socket.bufferedAmount, 0);
  session.socket.close();
  await session.tells("close 1000");
});

for (const refused of [1, 2]) {
  Deno.test(`RelaySocket with reconnect sends nothing to a relay that refuses the session: connection ${refused}`, async () => {
    const store = memoryUsageStore();
    let begins = 0;
    const begin: typeof store.begin = (...args) =>
      ++begins === refused ? Promise.reject(new Error("The database restarts")) : store.begin(...args);
    const limits = { dailyBudget: null, maxSessions: null };
    const { createStage } = new Meter({ store: { ...store, begin }, limits, weights: DEFAULT_WEIGHTS });
    await using isolates = await startIsolates(undefined, [createStage]);
    const session = new Session(isolates.host, true);
    session.socket.addEventListener("open", () => session.say("one"));
    session.socket.addEventListener("reconnecting", () => session.say("two"), { once: true });
    await session.saw("session.created", 1);
    if (refused === 2) {
      await session.saw("conversation.item.done", 1);
      isolates.next();
      isolates.relays[0]!.isolate.drain("wall_clock");
      await session.saw("session.created", 2);
    }
    await eventually("all is there", () => isolates.openAi.sessions.at(-1)!.transcript.length === 2);
    assertEquals(isolates.openAi.sessions.at(-1)!.transcript, ["user: one", "user: two"]);
    assertEquals(session.told, ["open", "reconnecting", "reconnected"]);
    const errors = session.events.flatMap(({ error }) => (error as { code: string } | undefined)?.code ?? []);
    assertEquals([begins, errors], [refused + 1, ["store_unavailable"]]);
    session.socket.close();
    await session.tells("close 1000");
  });
}

Deno.test("RelaySocket with reconnect ends the conversation by close(), and keeps it by another code than 1000", async () => {
  for (const [code, isKept] of [[undefined, false], [4000, true]] as const) {
    await using isolates = await startIsolates();
    const [relay] = isolates.relays;
    const session = new Session(isolates.host, true);
    await session.saw("session.created", 1);
    session.ask("one");
    await session.saw("response.done", 1);
    session.socket.close(code);
    await session.tells(`close ${code ?? 1000}`);
    await relay!.idle();
    const sessionId = new URL(session.socket.url).searchParams.get("session")!;
    const record = await isolates.store.claim({ userId: ADA, sessionId }, crypto.randomUUID());
    if (typeof record === "string") throw new Error(record);
    assertEquals(record.items.length > 0, isKept);
  }
});

Deno.test("RelaySocket with reconnect ends when another has taken its session over", async () => {
  await using isolates = await startIsolates();
  const first = new Session(isolates.host, true);
  await first.saw("session.created", 1);
  const second = new RelaySocket(first.socket.url, ["realtime"], { token: TOKEN });
  await first.tells("close 4409");
  assertEquals(first.told, ["open", "close 4409"]);
  second.close();
});

Deno.test("RelaySocket with reconnect gives up after so many tries, and when more waits than may", async () => {
  await using isolates = await startIsolates();
  let isSignedIn = true;
  const token = () => isSignedIn ? TOKEN : undefined;
  const tired = new Session(isolates.host, { maxAttempts: 0 }, token);
  const full = new Session(isolates.host, { maxQueuedBytes: 10 }, token);
  const gone = new Session(isolates.host, { maxAttempts: 1 }, token);
  const closed = new Session(isolates.host, true, token);
  const all = [tired, full, gone, closed];
  for (const session of all) await session.saw("session.created", 1);
  isSignedIn = false;
  full.socket.addEventListener("reconnecting", () => full.socket.send("more than ten bytes"));
  closed.socket.addEventListener("reconnecting", () => closed.socket.close(1000, "enough"));
  isolates.relays[0]!.isolate.drain("wall_clock");
  await tired.tells("close 1012");
  await full.tells("close 1013");
  assertEquals(full.told, ["open", "reconnecting", "error", "close 1013"]);
  await gone.tells("close 1006");
  await closed.tells("close 1000");
  for (const { socket } of all) assertEquals(socket.readyState, RelaySocket.CLOSED);
  assertEquals(tired.tokens, 1);
  assertNotEquals(tired.socket.url, full.socket.url);
});

Deno.test("RelaySocket with reconnect keeps the name that its URL has for the session", () => {
  const socket = new RelaySocket("ws://127.0.0.1:9/relay/openai?session=mine", [], { token: TOKEN, reconnect: true });
  assertEquals(socket.url, "ws://127.0.0.1:9/relay/openai?session=mine&hand_over=announced");
  socket.close();
  return within("it closes", new Promise<void>((resolve) => socket.onclose = () => resolve()));
});
