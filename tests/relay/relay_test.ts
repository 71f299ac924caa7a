import { assert, assertEquals } from "@std/assert";
import type { ErrorCode } from "../../shared/protocol/codes.ts";
import { openSocket, type SocketOpening } from "../support/socket.ts";
import { startStandIn } from "./stand_in_upstream.ts";
import { signToken, startRelay, TOKEN } from "./start_relay.ts";

const SECRET = "sk-not-for-anyone";

/** A stand-in and a relay that dials it as it dials OpenAI. */
function startOpenAi(options?: Parameters<typeof startRelay>[1]) {
  const upstream = startStandIn();
  const relay = startRelay([{
    name: "openai",
    url: `${upstream.socketUrl}/v1/realtime?model=default`,
    subprotocols: ["realtime", "openai-insecure-api-key.{secret}"],
    secret: SECRET,
    query: ["model"],
    paths: ["/realtime"],
  }], options);
  return { upstream, relay };
}

const expired = await signToken({ exp: Math.floor(Date.now() / 1000) - 60 });

const refusals: {
  name: string;
  path: string;
  opening?: SocketOpening;
  code: ErrorCode;
  close: number;
}[] = [
  { name: "no token", path: "/relay/openai", code: "unauthorized", close: 4401 },
  { name: "no token and an unknown name", path: "/relay/other", code: "unauthorized", close: 4401 },
  { name: "garbage for a token", path: "/relay/openai?jwt=garbage", code: "unauthorized", close: 4401 },
  { name: "an expired token", path: `/relay/openai?jwt=${expired}`, code: "token_expired", close: 4401 },
  {
    name: "garbage for OpenAI's key",
    path: "/relay/openai",
    opening: { protocols: ["realtime", "openai-insecure-api-key.garbage"] },
    code: "unauthorized",
    close: 4401,
  },
  { name: "an unknown name", path: `/relay/other?jwt=${TOKEN}`, code: "upstream_not_found", close: 4404 },
  { name: "no name", path: `/relay?jwt=${TOKEN}`, code: "upstream_not_found", close: 4404 },
  { name: "an empty name", path: `/relay/?jwt=${TOKEN}`, code: "upstream_not_found", close: 4404 },
  {
    name: "a name that objects inherit",
    path: `/relay/constructor?jwt=${TOKEN}`,
    code: "upstream_not_found",
    close: 4404,
  },
  { name: "a name in other letters", path: `/relay/OpenAI?jwt=${TOKEN}`, code: "upstream_not_found", close: 4404 },
  { name: "a path that it has not", path: `/relay/openai/admin?jwt=${TOKEN}`, code: "upstream_not_found", close: 4404 },
];

for (const { name, path, opening, code, close } of refusals) {
  Deno.test(`the relay refuses ${name} with ${close} ${code}, and dials nobody`, async () => {
    const { upstream, relay } = startOpenAi();
    await using _upstream = upstream;
    await using _relay = relay;
    await using client = await openSocket(relay.socketUrl + path, opening);
    const { type, code: told } = await client.nextJson();
    assertEquals({ type, code: told }, { type: "error", code });
    assertEquals((await client.closed).code, close);
    assertEquals(upstream.dialled.length, 0);
    await relay.idle();
  });
}

Deno.test("the relay says what to set for an upstream that is not set up", async () => {
  await using relay = startRelay([], { missing: { openai: "set OPENAI_API_KEY" } });
  await using client = await relay.connect("/openai");
  const message = `The upstream "openai" is not set up: set OPENAI_API_KEY`;
  assertEquals(await client.nextJson(), { type: "error", code: "upstream_not_found", message });
  assertEquals(await client.closed, { code: 4404, reason: `upstream_not_found: ${message}` });
});

const sources: { name: string; query?: string; protocols?: string[]; answered: string }[] = [
  { name: "?jwt=", query: `?jwt=${TOKEN}`, answered: "" },
  { name: "?token=", query: `?token=${TOKEN}`, answered: "" },
  { name: "the subprotocol jwt-TOKEN", protocols: [`jwt-${TOKEN}`], answered: `jwt-${TOKEN}` },
  { name: "jwt-TOKEN beside realtime", protocols: [`jwt-${TOKEN}`, "realtime"], answered: "realtime" },
  {
    name: "OpenAI's own subprotocol",
    protocols: ["realtime", `openai-insecure-api-key.${TOKEN}`],
    answered: "realtime",
  },
  {
    name: "?jwt= beside others' subprotocols",
    query: `?jwt=${TOKEN}`,
    protocols: ["other", "realtime"],
    answered: "realtime",
  },
  { name: "?jwt= beside none of the upstream's", query: `?jwt=${TOKEN}`, protocols: ["other"], answered: "other" },
];

for (const { name, query = "", protocols, answered } of sources) {
  Deno.test(`the relay takes the token from ${name} and answers with the right subprotocol`, async () => {
    const { upstream, relay } = startOpenAi();
    await using _upstream = upstream;
    await using _relay = relay;
    await using client = await openSocket(`${relay.socketUrl}/relay/openai${query}`, { protocols });
    assertEquals(client.socket.protocol, answered);
    client.send("hello");
    assertEquals(await client.next(), "hello");
    const { protocols: offered, address } = await upstream.next();
    assertEquals(offered, `realtime, openai-insecure-api-key.${SECRET}`, "the upstream gets the server's key");
    assert(!(offered + address).includes(TOKEN), "and not the user's token");
  });
}

Deno.test("the relay passes the parameters that are allowed and no other", async () => {
  const { upstream, relay } = startOpenAi();
  await using _upstream = upstream;
  await using _relay = relay;
  const query = "?model=own&api-version=1&token=t&apikey=k&secret=s&jwt2=j";
  for (const path of [`/openai${query}`, `/openai/realtime${query}`, "/openai"]) {
    await using client = await relay.connect(path);
    client.send("hello");
    await client.next();
  }
  assertEquals(upstream.dialled.map(({ address }) => address), [
    "/v1/realtime?model=own",
    "/v1/realtime?model=own",
    "/v1/realtime?model=default",
  ]);
});

Deno.test("the relay closes with 4401 when the token ends, and the upstream with it", async () => {
  await using upstream = startStandIn();
  await using relay = startRelay([{ url: upstream.socketUrl }]);
  const token = await signToken({ exp: Date.now() / 1000 + 1 });
  await using client = await openSocket(`${relay.socketUrl}/relay/up?jwt=${token}`);
  const dialled = await upstream.next();
  assertEquals((await client.closed).code, 4401);
  assertEquals(await dialled.closed, { code: 4499, reason: "token_expired" });
});

Deno.test("the relay counts a user's connections, and lets go of the pipe of one too many", async () => {
  await using upstream = startStandIn();
  await using relay = startRelay([{ url: upstream.socketUrl }], { sockets: { maxConnectionsPerUser: 1 } });
  const first = await relay.connect();
  await using second = await relay.connect();
  assertEquals((await second.closed).code, 4429);
  assertEquals(upstream.dialled.length, 1);
  await first.close();
  await relay.idle();
});

Deno.test("a secret that the upstream repeats in its reason does not reach the client", async () => {
  await using upstream = startStandIn({ onFrame: (_data, socket) => socket.close(4001, `Bad key: ${SECRET}`) });
  await using relay = startRelay([{ url: `${upstream.socketUrl}/?key={secret}`, secret: SECRET }]);
  await using client = await relay.connect();
  client.send("hello");
  assertEquals(await client.closed, { code: 4001, reason: "Bad key: ***" });
});
