import { assert, assertEquals } from "@std/assert";
import { HOSTILE_EVENTS, STRICT_POLICY } from "../relay/openai/hostile_client_events.ts";
import { RealtimeClient } from "../relay/openai_realtime_server/realtime_client.ts";
import { startOpenAiRealtime } from "../relay/openai_realtime_server/start_openai_realtime.ts";
import { startRawUpstream } from "../relay/stand_in_upstream.ts";
import { type RelayProcess, startRelayProcess, TOKEN } from "../relay/start_relay_process.ts";
import { HOSTED_DENO } from "../support/deno_versions.ts";
import { eventually } from "../support/eventually.ts";
import { RawSocket } from "../support/raw_socket.ts";
import { openSocket } from "../support/socket.ts";
import { startTcpFront, type TcpFront } from "../support/tcp_front.ts";

const MB = 1_000_000;
const KEY = "sk-of-the-server-alone";
const PATH = "/openai?model=gpt-realtime";

/** A client in a session under the strict policy, from its client to the stand-in of OpenAI. */
async function openLockedSession() {
  await using resources = new AsyncDisposableStack();
  const openAi = resources.use(await startOpenAiRealtime({ apiKey: KEY }));
  const relay = resources.use(
    await startRelayProcess(HOSTED_DENO, {
      OPENAI_API_KEY: KEY,
      OPENAI_REALTIME_URL: openAi.url,
      OPENAI_REALTIME_POLICY: JSON.stringify(STRICT_POLICY),
    }),
  );
  const client = resources.use(await RealtimeClient.open(relay.socketUrl(PATH)));
  const session = await openAi.next();
  await client.next("session.updated");
  const opened = resources.move();
  return { client, session, [Symbol.asyncDispose]: () => opened.disposeAsync() };
}

Deno.test("what a hostile client sends reaches OpenAI as the policy lets it, or not at all, over real sockets", async (t) => {
  await using locked = await openLockedSession();
  const { client, session } = locked;
  const { received } = session;
  const { session: first } = received.shift()!;
  assertEquals(first, { ...first as object, ...STRICT_POLICY.locked });
  assertEquals(session.config.instructions, STRICT_POLICY.locked.instructions);

  for (const { attempt, sent, reached } of HOSTILE_EVENTS) {
    await t.step(attempt, async () => {
      const { length } = received;
      client.send({ event_id: "hostile", ...sent });
      if (typeof reached !== "string") {
        const event = await eventually("it reaches the upstream", () => received[length]);
        return assertEquals(event, { event_id: "hostile", ...reached });
      }
      const { error } = await client.next("error");
      assertEquals([error.type, error.code, error.event_id], ["invalid_request_error", reached, "hostile"]);
      // What was refused would have come before this.
      client.send({ type: "input_audio_buffer.clear", event_id: "next" });
      const event = await eventually("the next event reaches the upstream", () => received[length]);
      assertEquals(event, { type: "input_audio_buffer.clear", event_id: "next" });
    });
  }
});

Deno.test("a member that stands in an event twice reaches OpenAI once, as the policy has read it", async () => {
  await using locked = await openLockedSession();
  const { client, session } = locked;
  const smuggled = [
    `{"type":"session.update","session":{"type":"realtime","instructions":"a"},"session":{"type":"realtime","instructions":"b"}}`,
    `{"type":"response.cancel","type":"session.update","session":{"type":"realtime","instructions":"c"}}`,
    `{"type":"input_audio_buffer.append","audio":"AAAA","type":"session.update","session":{"type":"realtime","instructions":"d"}}`,
    `{"type":"input_audio_buffer.append","audio":"AAAA","\\u0074ype":"session.update","session":{"type":"realtime","instructions":"e"}}`,
  ];
  for (const text of smuggled) client.socket.send(text);
  client.send({ type: "input_audio_buffer.clear" });
  await client.next("input_audio_buffer.cleared");
  const { instructions } = STRICT_POLICY.locked;
  assertEquals(session.config.instructions, instructions);
  for (const { session: asked } of session.received) {
    if (asked !== undefined) assertEquals((asked as { instructions?: string }).instructions, instructions);
  }
});

Deno.test("OpenAI's key shows in no frame, answer or line, whatever goes wrong", async () => {
  await using openAi = await startOpenAiRealtime({ apiKey: KEY });
  await using other = await startOpenAiRealtime({ apiKey: "sk-of-somebody-else" });
  using hanging = startRawUpstream();
  const ends: [url: string, end: (client: RealtimeClient) => Promise<unknown>][] = [
    [openAi.url, async (client) => {
      await client.next("session.created");
      client.send({ type: "session.update", session: { type: "realtime", output_modalities: ["text"] } });
      await client.ask("hello");
      client.socket.send("{");
      await client.next("error");
      const session = openAi.sessions.at(-1)!;
      const error = {
        type: "invalid_request_error",
        code: "invalid_api_key",
        message: `Incorrect API key provided: ${KEY}`,
      };
      session.tell({ type: "error", error });
      await client.next("error");
      session.close(4000, `Bad key ${KEY}`);
      await client.socket.closed;
    }],
    [openAi.url, async (client) => {
      await client.next("session.created");
      openAi.sessions.at(-1)!.drop();
      await client.socket.closed;
    }],
    [other.url, (client) => client.socket.closed],
    [hanging.socketUrl, (client) => client.socket.closed],
    ["ws://127.0.0.1:9/v1/realtime", (client) => client.socket.closed],
  ];
  for (const [url, end] of ends) {
    await using relay = await startRelayProcess(HOSTED_DENO, {
      OPENAI_API_KEY: KEY,
      OPENAI_REALTIME_URL: url,
      RELAY_CONNECT_TIMEOUT_MS: "300",
      LOG_LEVEL: "debug",
    });
    using front = startTcpFront(relay.host);
    await using client = await RealtimeClient.open(`ws://${front.host}/relay${PATH}&jwt=${TOKEN}`);
    await end(client);

    await fetchAll(front, ["/relay/health", "/relay/openai", "/relay/openai?model=other", "/relay/metrics"]);
    assert(relay.printed.length > 0, "something is printed");
    const said = new TextDecoder().decode(await new Blob(front.said as BlobPart[]).arrayBuffer());
    for (const text of [said, ...relay.printed]) {
      assert(!text.includes(KEY) && !text.includes(TOKEN), `a secret shows: ${text.slice(-2_000)}`);
    }
  }
});

async function fetchAll({ host }: TcpFront, paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    await (await fetch(`http://${host}${path}`, { headers: { "Accept-Encoding": "identity" } })).text();
  }
}

/** What is offered in all, one connection after the other: each ends when its bounds are met. */
const OFFERED = 300 * MB;
/** Buffers and garbage of a process that holds what it may, and no more. */
const MAX_GROWN_MB = 120;

Deno.test("memory stays flat while OpenAI floods clients that do not read with 300 MB", async () => {
  await using openAi = await startOpenAiRealtime({ apiKey: KEY });
  await using relay = await startFloodedRelay(openAi.url);
  const before = await relay.peakRss();
  const { pathname, search } = new URL(relay.socketUrl(PATH));
  const clients: RawSocket[] = [];
  try {
    for (let offered = 0; offered < OFFERED;) {
      const client = await RawSocket.connect(relay.host);
      clients.push(client);
      assertEquals((await client.handshake({ path: pathname + search })).status, 101);
      const session = await openAi.next();
      offered += await session.flood(OFFERED, 60_000);
      assertEquals(await session.closed, { code: 4499, reason: "slow_reader" });
    }
    await assertFlat(relay, before);
  } finally {
    for (const client of clients) client[Symbol.dispose]();
  }
});

Deno.test("memory stays flat while clients flood an OpenAI that does not read with 300 MB", async () => {
  await using openAi = await startOpenAiRealtime({ apiKey: KEY });
  await using relay = await startFloodedRelay(openAi.url);
  const before = await relay.peakRss();
  const frame = JSON.stringify({ type: "input_audio_buffer.append", audio: "AAAA".repeat(16_000) });
  for (let offered = 0; offered < OFFERED;) {
    const client = await openSocket(relay.socketUrl(PATH));
    await client.nextOfType("session.created");
    (await openAi.next()).stopReading();
    while (client.socket.readyState === WebSocket.OPEN) {
      client.send(frame);
      offered += frame.length;
      if (client.socket.bufferedAmount > MB) {
        await eventually("it has left", () => client.socket.bufferedAmount < MB, { everyMs: 1 });
      }
    }
    // 0 where the frames that were under way took the close frame with them.
    assert([0, 1006, 1013].includes((await client.closed).code));
  }
  await assertFlat(relay, before);
});

function startFloodedRelay(url: string): Promise<RelayProcess> {
  return startRelayProcess(HOSTED_DENO, {
    OPENAI_API_KEY: KEY,
    OPENAI_REALTIME_URL: url,
    MAX_CONNECTIONS_PER_USER: "1000",
    MESSAGES_PER_SECOND: "100000",
    BYTES_PER_SECOND: `${1_000 * MB}`,
  });
}

/** By the most that it ever had: what a moment shows may have been given back. */
async function assertFlat(relay: RelayProcess, before: number): Promise<void> {
  const grownMb = (await relay.peakRss() - before) / MB;
  assert(grownMb < MAX_GROWN_MB, `it grew by ${grownMb} MB`);
  const { connections, processes } = await (await fetch(`http://${relay.host}/relay/health`)).json();
  assertEquals([connections, processes], [0, 0]);
}
