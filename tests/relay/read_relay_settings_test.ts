import { assert, assertEquals, assertRejects } from "@std/assert";
import { readRelaySettings } from "../../shared/relay/read_relay_settings.ts";

const KEY = "sk-not-for-anyone";
const noQuery = new URLSearchParams();

const upstreams = (value: unknown) => ({ RELAY_UPSTREAMS: typeof value === "string" ? value : JSON.stringify(value) });

Deno.test("readRelaySettings() has defaults for all, and no upstream without a key", async () => {
  const { upstreams, missing, limits, sockets } = await readRelaySettings({});
  assertEquals(sockets.maxBufferedBytesTotal, 32 * 1024 * 1024);
  assertEquals({ upstreams, missing, limits }, {
    upstreams: [],
    missing: { openai: "set OPENAI_API_KEY" },
    limits: {},
  });
});

Deno.test("readRelaySettings() reads every variable", async () => {
  const settings = await readRelaySettings({
    OPENAI_API_KEY: ` ${KEY}\n`,
    OPENAI_REALTIME_URL: "ws://127.0.0.1:1/v1/realtime",
    OPENAI_REALTIME_MODEL: "own-model",
    OPENAI_ORG_ID: "org-1",
    OPENAI_PROJECT_ID: "proj_1",
    ...upstreams({
      other: { url: "wss://other.example/?k={secret}", subprotocols: ["v2"], secret: "OTHER_KEY", query: ["m"] },
    }),
    OTHER_KEY: "other-secret",
    OPENAI_ANSWER_TIMEOUT_MS: "30000",
    RELAY_CONNECT_TIMEOUT_MS: "5000",
    RELAY_MAX_QUEUED_FRAMES: "50",
    RELAY_MAX_QUEUED_BYTES: "1000000",
    RELAY_LINGER_MS: "2000",
    MAX_CONNECTIONS_PER_USER: "3",
    MAX_BUFFERED_BYTES_TOTAL: "1000000",
    ALLOWED_ORIGINS: "https://app.example",
  });
  assertEquals(settings.limits, {
    connectTimeoutMs: 5000,
    maxQueuedFrames: 50,
    maxQueuedBytes: 1_000_000,
    lingerMs: 2000,
  });
  assertEquals([settings.sockets.maxConnectionsPerUser, settings.sockets.maxBufferedBytesTotal], [3, 1_000_000]);
  assertEquals(settings.sockets.allowedOrigins, ["https://app.example"]);
  assertEquals(settings.openAi?.limits, { answerTimeoutMs: 30_000 });
  assertEquals(settings.missing, {});
  const [openai, other] = settings.upstreams.map(({ address }) => address("", new URLSearchParams("m=1")));
  assertEquals(openai?.url.href, "ws://127.0.0.1:1/v1/realtime?model=own-model");
  assertEquals(openai?.protocols, [
    "realtime",
    `openai-insecure-api-key.${KEY}`,
    "openai-organization.org-1",
    "openai-project.proj_1",
  ]);
  assertEquals(other?.url.href, "wss://other.example/?k=other-secret&m=1");
  assertEquals(other?.protocols, ["v2"]);
});

Deno.test("readRelaySettings() reads how sessions at OpenAI are, where there is a key", async () => {
  const own = {
    OPENAI_REALTIME_POLICY_FILE: "policy.json",
    OPENAI_DAILY_BUDGET: "5",
    OPENAI_TOOLS: "current_time",
    OPENAI_CONVERSATION_MAX_ITEMS: "9",
  };
  const readTextFile = (path: string) => Promise.resolve(`{"models": ["${path}-model"]}`);
  const { openAi, upstreams: [openai] } = await readRelaySettings({ OPENAI_API_KEY: KEY, ...own }, { readTextFile });
  assertEquals(openai?.address("", noQuery)?.url.searchParams.get("model"), "policy.json-model");
  assertEquals(openAi?.policy.models, new Set(["policy.json-model"]));
  assertEquals([openAi?.usage?.limits.dailyBudget, openAi?.tools, openAi?.conversation], [
    5,
    "current_time",
    { maxItems: 9 },
  ]);
  assertEquals((await readRelaySettings(own)).openAi, undefined);
});

Deno.test("readRelaySettings() takes a name that every object inherits for what it is", async () => {
  const settings = await readRelaySettings(upstreams(`{"__proto__": {"url": "ws://127.0.0.1:1/"}}`));
  assertEquals(settings.upstreams.map(({ name, address }) => [name, address("", noQuery)?.url.href]), [
    ["__proto__", "ws://127.0.0.1:1/"],
  ]);
});

const wrong: { name: string; env: Record<string, string>; message: string }[] = [
  { name: "no JSON", env: upstreams(`{"a": ${KEY}`), message: "RELAY_UPSTREAMS must be JSON" },
  { name: "a list", env: upstreams([]), message: "RELAY_UPSTREAMS must be a JSON object: {NAME: {url, …}}" },
  { name: "null", env: upstreams("null"), message: "RELAY_UPSTREAMS must be a JSON object" },
  { name: "a name with a slash", env: upstreams({ "a/b": { url: "ws://h/" } }), message: "must have names of 1 to 64" },
  { name: "the name openai", env: upstreams({ openai: { url: "ws://h/" } }), message: `must not hold "openai"` },
  {
    name: "the name supabase",
    env: upstreams({ supabase: { url: "ws://h/" } }),
    message: `must not hold "supabase"`,
  },
  {
    name: "no object",
    env: upstreams({ a: KEY }),
    message: "a must be an object of url, subprotocols, secret and query",
  },
  { name: "no URL", env: upstreams({ a: {} }), message: "a.url must be a URL" },
  {
    name: "a URL of HTTP",
    env: upstreams({ a: { url: `https://h/?k=${KEY}` } }),
    message: "a: url must be a ws:// or wss://",
  },
  {
    name: "an unknown field",
    env: upstreams({ a: { url: "ws://h/", headers: {} } }),
    message: `a has an unknown field "headers"`,
  },
  {
    name: "subprotocols as text",
    env: upstreams({ a: { url: "ws://h/", subprotocols: KEY } }),
    message: "a.subprotocols must be a list of subprotocols",
  },
  {
    name: "a number as subprotocol",
    env: upstreams({ a: { url: "ws://h/", subprotocols: [1] } }),
    message: "a.subprotocols.0 must be a subprotocol",
  },
  {
    name: "a number as parameter",
    env: upstreams({ a: { url: "ws://h/", query: [1] } }),
    message: "a.query.0 must be a parameter",
  },
  {
    name: "a secret in place of its name",
    env: upstreams({ a: { url: "ws://h/?k={secret}", secret: KEY } }),
    message: "a.secret must be the name of a variable",
  },
  {
    name: "a secret that is not set",
    env: upstreams({ a: { url: "ws://h/?k={secret}", secret: "A_KEY" } }),
    message: "a.secret names A_KEY, which is not set",
  },
  {
    name: "an OpenAI URL of HTTP",
    env: { OPENAI_API_KEY: KEY, OPENAI_REALTIME_URL: "https://h/" },
    message: "url must be a ws:// or wss:// URL",
  },
  { name: "a key that no subprotocol can carry", env: { OPENAI_API_KEY: `${KEY},x` }, message: "OPENAI_API_KEY" },
  ...["0", "-1", "1.5", "soon", "2147483648"].map((value) => ({
    name: `the timeout ${value}`,
    env: { RELAY_CONNECT_TIMEOUT_MS: value },
    message: `RELAY_CONNECT_TIMEOUT_MS must be a whole number from 1 to 2147483647: current value is "${value}"`,
  })),
  { name: "no number of frames", env: { RELAY_MAX_QUEUED_FRAMES: "many" }, message: "RELAY_MAX_QUEUED_FRAMES must be" },
  { name: "a bad limit of sockets", env: { MAX_BUFFERED_BYTES: "x" }, message: "MAX_BUFFERED_BYTES must be" },
];

for (const { name, env, message } of wrong) {
  Deno.test(`readRelaySettings() refuses ${name} by name, and quotes no secret`, async () => {
    const error = await assertRejects(() => readRelaySettings(env), RangeError, message) as Error;
    assert(error.message.startsWith("Cannot start as "), error.message);
    assert(!error.message.includes(KEY), error.message);
  });
}
