import { assert, assertEquals, assertRejects } from "@std/assert";
import { startOpenAiStandIn } from "../../supabase/local/openai_stand_in.ts";
import { acceptHandshake, refuseHandshake, startRawUpstream, startStandIn } from "../relay/stand_in_upstream.ts";
import { startRelayProcess, TOKEN } from "../relay/start_relay_process.ts";
import { HOSTED_DENO } from "../support/deno_versions.ts";
import { eventually } from "../support/eventually.ts";
import { RawSocket } from "../support/raw_socket.ts";
import { signUp } from "../support/sign_up.ts";
import { openSocket, type TestSocket } from "../support/socket.ts";
import { startTestLocal } from "../support/start_local.ts";

const MB = 1_000_000;
const SECRET = "sk-not-for-anyone";
const VERSIONS = [...new Set([Deno.version.deno, HOSTED_DENO])];

/** Asks over a Realtime session and gives the answer's text, as OpenAI's client puts it together. */
async function takeTurn(client: TestSocket, question: string): Promise<string> {
  await client.nextOfType("session.created");
  client.sendJson({ type: "session.update", session: { type: "realtime", output_modalities: ["text"] } });
  await client.nextOfType("session.updated");
  const item = { type: "message", role: "user", content: [{ type: "input_text", text: question }] };
  client.sendJson({ type: "conversation.item.create", item });
  client.sendJson({ type: "response.create" });
  let text = "";
  for (;;) {
    const event = await client.nextJson();
    if (event.type === "response.output_text.delta") text += event.delta;
    if (event.type === "response.done") return text;
  }
}

Deno.test("the relay over the local Supabase: a user's real token, a text turn with OpenAI's stand-in, its usage", async () => {
  await using local = await startTestLocal();
  const { accessToken, supabase: ann } = await signUp(local, "ann");
  const { supabase: bob } = await signUp(local, "bob");
  await using client = await openSocket(local.socketUrl("relay/openai?model=gpt-realtime"), {
    protocols: ["realtime", `openai-insecure-api-key.${accessToken}`],
  });
  assertEquals(client.socket.protocol, "realtime");
  assertEquals(await takeTurn(client, "Hello!"), "Hello! I am a stand-in for OpenAI on your own machine.");
  const usage = [{ kind: "response", model: "gpt-realtime" }];
  assertEquals((await ann.from("relay_usage").select("kind, model")).data, usage);
  assertEquals((await bob.from("relay_usage").select("kind, model")).data, []);
});

for (const version of VERSIONS) {
  Deno.test(`functions/relay on Deno ${version} holds a text turn with OpenAI's stand-in`, async () => {
    const standIn = await startOpenAiStandIn();
    try {
      await using relay = await startRelayProcess(version, {
        OPENAI_API_KEY: SECRET,
        OPENAI_REALTIME_URL: standIn.url,
      });
      await using client = await openSocket(relay.socketUrl("/openai/realtime?model=gpt-realtime"));
      assertEquals(await takeTurn(client, "Hello!"), "Hello! I am a stand-in for OpenAI on your own machine.");
      assertEquals(relay.printed, []);
    } finally {
      await standIn.close();
    }
  });

  Deno.test(`functions/relay on Deno ${version} shows neither its keys nor a token in any frame, answer or line`, async () => {
    await using echo = startStandIn();
    await using talkative = startStandIn({ onFrame: (_data, socket) => socket.close(4001, `Bad key ${SECRET}`) });
    using refusing = startRawUpstream(refuseHandshake(401));
    using hanging = startRawUpstream();
    using breaking = startRawUpstream(async (connection, request) => {
      await acceptHandshake(connection, request);
      connection.close();
    });
    const define = (url: string) => ({
      url: `${url}/?key={secret}`,
      subprotocols: ["v1", "key.{secret}"],
      secret: "UP_KEY",
    });
    await using relay = await startRelayProcess(version, {
      OPENAI_API_KEY: SECRET,
      OPENAI_REALTIME_URL: refusing.socketUrl,
      UP_KEY: SECRET,
      RELAY_CONNECT_TIMEOUT_MS: "200",
      RELAY_UPSTREAMS: JSON.stringify({
        echo: define(echo.socketUrl),
        talkative: define(talkative.socketUrl),
        refusing: define(refusing.socketUrl),
        hanging: define(hanging.socketUrl),
        breaking: define(breaking.socketUrl),
        nowhere: define("ws://no-such-host.invalid"),
      }),
    });
    const shown: string[] = [];
    const codes: Record<string, number> = {};
    for (const name of ["openai", "echo", "talkative", "refusing", "hanging", "breaking", "nowhere", "unknown"]) {
      const client = await openSocket(relay.socketUrl(`/${name}`), { protocols: ["v1"] });
      // To the others nothing, as a frame that comes after a close cuts the connection before its code is read.
      if (name === "echo" || name === "talkative") client.send(name);
      if (name === "echo") {
        shown.push(String(await client.next()));
        client.socket.close(1000, "done");
      }
      const { code, reason } = await client.closed;
      codes[name] = code;
      shown.push(client.socket.protocol, reason, ...client.waiting.map(String));
    }
    assertEquals(codes, {
      openai: 4502,
      echo: 1000,
      talkative: 4001,
      refusing: 4502,
      hanging: 4504,
      breaking: 4502,
      nowhere: 4502,
      unknown: 4404,
    });
    for (const path of ["/relay/echo", "/relay/health", `/relay/echo?jwt=${TOKEN}`]) {
      const response = await fetch(`http://${relay.host}${path}`);
      shown.push(JSON.stringify([...response.headers]), await response.text());
    }
    assertEquals((await echo.next()).protocols, `v1, key.${SECRET}`, "the key was in use");
    assert(relay.printed.length > 0, "failures are printed");
    for (const text of [...shown, ...relay.printed]) {
      assert(!text.includes(SECRET) && !text.includes(TOKEN), `a secret shows in: ${text}`);
    }
  });

  Deno.test(`functions/relay on Deno ${version} does not start with a bad setting, and says which`, async () => {
    const settings: Record<string, string>[] = [
      { RELAY_UPSTREAMS: JSON.stringify({ up: { url: `https://up.example/?key=${SECRET}` } }) },
      { RELAY_UPSTREAMS: JSON.stringify({ up: { url: "wss://up.example/", secret: SECRET } }) },
      { OPENAI_API_KEY: `${SECRET} with spaces` },
    ];
    for (const env of settings) {
      const error = await assertRejects(() => startRelayProcess(version, env), Error, Object.keys(env)[0]) as Error;
      assert(error.message.includes("Cannot start as "), error.message);
      assert(!error.message.includes(SECRET), error.message);
    }
  });

  Deno.test(`functions/relay on Deno ${version} stays flat while clients send 200 MB to an upstream that does not read`, async () => {
    using upstream = startRawUpstream(acceptHandshake);
    await using relay = await startRelayProcess(version, {
      RELAY_UPSTREAMS: JSON.stringify({ up: { url: upstream.socketUrl } }),
      MESSAGES_PER_SECOND: "100000",
      BYTES_PER_SECOND: `${1_000 * MB}`,
    });
    const before = await relay.rss();
    const frame = new Uint8Array(65_536);
    for (let offered = 0; offered < 200 * MB;) {
      const client = await openSocket(relay.socketUrl("/up"));
      while (client.socket.readyState === WebSocket.OPEN) {
        client.send(frame);
        offered += frame.length;
        await eventually("it has left", () => client.socket.bufferedAmount < MB, { everyMs: 1 });
      }
      // 0 where the frames that were under way took the close frame with them.
      assert([0, 1006, 1013].includes((await client.closed).code));
    }
    const grownMB = (await relay.rss() - before) / MB;
    assert(grownMB < 120, `it grew by ${grownMB} MB`);
    const health = await (await fetch(`http://${relay.host}/relay/health`)).json();
    assertEquals([health.connections, health.processes], [0, 0]);
  });

  Deno.test(`functions/relay on Deno ${version} stays flat while an upstream offers 200 MB to clients that do not read`, async () => {
    const frame = new Uint8Array(65_536);
    let offered = 0;
    await using upstream = startStandIn({
      onOpen(socket) {
        const timer = setInterval(() => {
          if (socket.readyState !== WebSocket.OPEN) return clearInterval(timer);
          for (let i = 0; i < 8 && socket.bufferedAmount < MB; i++) {
            socket.send(frame);
            offered += frame.length;
          }
        }, 1);
      },
    });
    await using relay = await startRelayProcess(version, {
      RELAY_UPSTREAMS: JSON.stringify({ up: { url: upstream.socketUrl } }),
      // Each keeps its place, and counts as closing, for as long as its client stays.
      MAX_CONNECTIONS_PER_USER: "1000",
      MAX_BUFFERED_BYTES_TOTAL: `${256 * MB}`,
    });
    const before = await relay.rss();
    const path = new URL(relay.socketUrl("/up"));
    const clients: RawSocket[] = [];
    try {
      while (offered < 200 * MB) {
        const client = await RawSocket.connect(relay.host);
        clients.push(client);
        assertEquals((await client.handshake({ path: path.pathname + path.search })).status, 101);
        const { code, reason } = await (await upstream.next()).closed;
        assertEquals({ code, reason }, { code: 4499, reason: "slow_reader" });
      }
      const grownMB = (await relay.rss() - before) / MB;
      assert(grownMB < 120, `it grew by ${grownMB} MB`);
      const health = await (await fetch(`http://${relay.host}/relay/health`)).json();
      assertEquals([health.connections, health.processes], [0, 0]);
    } finally {
      for (const client of clients) client[Symbol.dispose]();
    }
  });

  Deno.test(`functions/relay on Deno ${version} holds little in all for 40 clients that do not read`, async () => {
    const frame = "x".repeat(65_536);
    await using upstream = startStandIn({
      // Less than a queue may hold here, and much in all.
      onOpen(socket) {
        for (let sent = 0; sent < 8 * MB; sent += frame.length) socket.send(frame);
      },
    });
    await using relay = await startRelayProcess(version, {
      RELAY_UPSTREAMS: JSON.stringify({ up: { url: upstream.socketUrl } }),
      RELAY_MAX_QUEUED_BYTES: `${16 * MB}`,
      MAX_CONNECTIONS_PER_USER: "1000",
    });
    const path = new URL(relay.socketUrl("/up"));
    const clients: RawSocket[] = [];
    let most = 0;
    try {
      for (let count = 0; count < 40; count++) {
        const client = await RawSocket.connect(relay.host);
        clients.push(client);
        assertEquals((await client.handshake({ path: path.pathname + path.search })).status, 101);
        await upstream.next();
        const { queued_bytes, buffered_bytes } = await (await fetch(`http://${relay.host}/relay/health`)).json();
        most = Math.max(most, queued_bytes + buffered_bytes);
      }
      assert(most < 40 * MB, `it held ${most} bytes`);
      assert(await relay.peakRss() < 256 * MB, `it had ${await relay.peakRss()} bytes`);
    } finally {
      for (const client of clients) client[Symbol.dispose]();
    }
  });
}
