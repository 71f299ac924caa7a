import { assert, assertEquals } from "@std/assert";
import {
  createClient,
  type RealtimeChannel,
  type RealtimeChannelOptions,
  RealtimeClient,
  type RealtimeClientOptions,
} from "@supabase/supabase-js";
import { RelaySocket } from "../../shared/client/relay_socket.ts";
import { denoPath, HOSTED_DENO } from "../support/deno_versions.ts";
import { eventually } from "../support/eventually.ts";
import { type SignedUp, signUp } from "../support/sign_up.ts";
import { startTestLocal, type TestLocal } from "../support/start_local.ts";
import { within } from "../support/within.ts";

/** realtime-js keeps a timer for each message that has no answer, until its timeout. */
const LEAVES_TIMERS = { sanitizeOps: false, sanitizeResources: false };

const VERSIONS = [...new Set([Deno.version.deno, HOSTED_DENO])];
const SUPABASE = { auth: { persistSession: false, autoRefreshToken: false, detectSessionInUrl: false } };

type Route = (local: TestLocal, token: () => string, options: RealtimeClientOptions) => RealtimeClient;

/** The ways to Realtime through the relay. */
const ROUTES: Readonly<Record<string, Route>> = {
  "supabase-js with its URL at the relay": (local, token, realtime) =>
    createClient(`${local.url}/functions/v1/relay/supabase`, local.publishableKey, {
      ...SUPABASE,
      accessToken: () => Promise.resolve(token()),
      realtime: { ...realtime, params: { jwt: token() } },
    }).realtime,

  "supabase-js with RelaySocket for its transport": (local, token, realtime) =>
    createClient(local.url, local.publishableKey, {
      ...SUPABASE,
      accessToken: () => Promise.resolve(token()),
      realtime: {
        ...realtime,
        transport: RelaySocket.with({ relay: `${local.url}/functions/v1/relay/supabase`, token }),
      },
    }).realtime,

  "RealtimeClient with its endpoint at the relay": (local, token, realtime) =>
    new RealtimeClient(local.socketUrl("relay/supabase/realtime/v1"), {
      ...realtime,
      accessToken: () => Promise.resolve(token()),
      params: {
        apikey: local.publishableKey,
        get jwt() {
          return token();
        },
      },
    }),
};

for (const version of VERSIONS) {
  Deno.test({
    name: `Realtime through a relay on Deno ${version}, by every route`,
    ...LEAVES_TIMERS,
    fn: async (t) => {
      await using local = await startTestLocal({ deno: await denoPath(version) });
      const [ada, ben] = [await signUp(local, "ada"), await signUp(local, "ben")];
      await local.sql(`
        create policy "ada reads" on realtime.messages for select to authenticated
          using (realtime.topic() = 'team' and auth.uid() = '${ada.userId}');
        create policy "ada writes" on realtime.messages for insert to authenticated
          with check (realtime.topic() = 'team' and auth.uid() = '${ada.userId}');
      `);
      for (const [name, route] of Object.entries(ROUTES)) {
        await t.step(`${name}: broadcast and presence`, () => meet(local, route, ada));
        await t.step(`${name}: a private channel opens by the user's own token`, async () => {
          await using adas = await open(local, route, ada);
          await using bens = await open(local, route, ben);
          assertEquals(await adas.join("team", { private: true }), "SUBSCRIBED");
          assertEquals(await bens.join("team", { private: true }), "CHANNEL_ERROR");
        });
      }
      assertEquals(local.logged.filter((line) => line.includes(ada.accessToken)), [], "no token is logged");
    },
  });
}

/** Two clients of one user, one beside the relay, hear and see each other. */
async function meet(local: TestLocal, route: Route, user: SignedUp): Promise<void> {
  await using through = await open(local, route, user);
  await using beside = await open(local, direct, user);
  assertEquals(await through.join("hall", { presence: { key: "through", enabled: true } }), "SUBSCRIBED");
  assertEquals(await beside.join("hall", { presence: { key: "beside", enabled: true } }), "SUBSCRIBED");

  await through.say("grüße 👋");
  await eventually("a broadcast leaves through the relay", () => beside.heard.includes("grüße 👋"));
  await beside.say("x".repeat(100_000));
  await eventually("a broadcast comes through the relay", () => through.heard.some((said) => said.length === 100_000));

  await through.channel.track({ via: "relay" });
  await beside.channel.track({ via: "nothing" });
  for (const { channel } of [through, beside]) {
    await eventually("both are present", () => Object.keys(channel.presenceState()).sort().join() === "beside,through");
  }
  const health = await (await fetch(`${local.url}/functions/v1/relay/health`)).json();
  assertEquals(health.connections, 1, "one of them through the relay");
}

const direct: Route = (local, token, realtime) =>
  new RealtimeClient(`${local.url.replace("http", "ws")}/realtime/v1`, {
    ...realtime,
    accessToken: () => Promise.resolve(token()),
    params: { apikey: local.publishableKey },
  });

Deno.test({
  name: "a channel outlives its isolate, handed over and killed, by every route",
  ...LEAVES_TIMERS,
  fn: async () => {
    // Long enough that an isolate that starts slowly is retired before it drains.
    await using local = await startTestLocal({ wallClockMs: 12_000 });
    const ada = await signUp(local, "ada");
    await using clients = new AsyncDisposableStack();
    const listeners: TestClient[] = [];
    for (const route of Object.values(ROUTES)) listeners.push(clients.use(await open(local, route, ada)));
    await using speaker = await open(local, direct, ada);
    await Promise.all([...listeners, speaker].map((client) => client.join("hall")));
    const relays = () => local.isolates().filter((isolate) => isolate.function === "relay");
    const [first] = relays();

    const haveJoined = (times: number) =>
      eventually(`all have joined ${times} times`, () => {
        return listeners.every(({ statuses }) => statuses.filter((status) => status === "SUBSCRIBED").length === times);
      }, { deadlineMs: 20_000 });
    const hear = async (text: string) => {
      await speaker.say(text);
      await eventually(`all hear it ${text}`, () => listeners.every(({ heard }) => heard.includes(text)));
    };

    await haveJoined(2);
    for (const { closes } of listeners) assertEquals(closes, [1012], "it was handed over");
    assert(relays().some(({ id }) => id !== first?.id), "another isolate carries them");
    await hear("after a hand-over");

    for (const { id } of relays()) local.killIsolate(id);
    await haveJoined(3);
    await hear("after a kill");
    for (const { statuses, heard } of listeners) {
      assertEquals(statuses, ["SUBSCRIBED", "CHANNEL_ERROR", "SUBSCRIBED", "CHANNEL_ERROR", "SUBSCRIBED"]);
      assertEquals(heard, ["after a hand-over", "after a kill"]);
    }
  },
});

Deno.test({
  name: "a client whose token is refused goes on trying, and is in once it has a valid one",
  ...LEAVES_TIMERS,
  fn: async () => {
    await using local = await startTestLocal();
    const ada = await signUp(local, "ada");
    const tokens = ["garbage", ""];
    const relay = `${local.url}/functions/v1/relay/supabase`;
    const transport = RelaySocket.with({ relay, token: () => tokens.shift() ?? ada.accessToken });
    const route: Route = (local, _token, realtime) =>
      new RealtimeClient(`${local.url.replace("http", "ws")}/realtime/v1`, {
        ...realtime,
        transport,
        params: { apikey: local.secretKey },
      });
    await using client = await open(local, route, ada);
    client.join("hall");
    await eventually("it is in", () => client.statuses.at(-1) === "SUBSCRIBED");
    assertEquals(tokens, []);
    assertEquals(client.closes, [4401, 1006]);
  },
});

/** A client with one channel, and what it heard. */
interface TestClient extends AsyncDisposable {
  readonly channel: RealtimeChannel;
  readonly statuses: string[];
  readonly heard: string[];
  /** The codes with which its sockets closed. */
  readonly closes: number[];
  /** Settles with the first status. */
  join(topic: string, config?: RealtimeChannelOptions["config"]): Promise<string>;
  say(text: string): Promise<unknown>;
}

async function open(local: TestLocal, route: Route, { accessToken }: SignedUp): Promise<TestClient> {
  const statuses: string[] = [];
  const heard: string[] = [];
  const closes: number[] = [];
  const client = route(local, () => accessToken, {
    timeout: 5_000,
    reconnectAfterMs: () => 50,
    logger: (kind, message, data) => kind === "transport" && message === "close" && closes.push(data.code),
  });
  await client.setAuth();
  let channel: RealtimeChannel | undefined;
  return {
    get channel() {
      return channel!;
    },
    statuses,
    heard,
    closes,
    join(topic, config = {}) {
      channel = client.channel(topic, { config });
      channel.on("broadcast", { event: "said" }, ({ payload }) => heard.push(payload.text));
      channel.subscribe((status) => statuses.push(status));
      return eventually(`a status of ${topic}`, () => statuses[0]);
    },
    say: (text) => channel!.send({ type: "broadcast", event: "said", payload: { text } }),
    async [Symbol.asyncDispose]() {
      await within("the channel is left", client.removeAllChannels());
      await eventually("its socket has closed", () => client.connectionState() === "closed");
    },
  };
}
