import { assert, assertEquals, assertThrows } from "@std/assert";
import { openAiUpstream } from "../../shared/relay/openai/openai_upstream.ts";
import { defineUpstream, type UpstreamDefinition } from "../../shared/relay/upstream.ts";

const SECRET = "sk-not-for-anyone";
const noQuery = new URLSearchParams();

function dial(definition: Partial<UpstreamDefinition>, query = "", path = "") {
  const address = defineUpstream({ name: "up", url: "wss://up.example/v1", ...definition })
    .address(path, new URLSearchParams(query));
  return address && { url: address.url.href, protocols: address.protocols };
}

Deno.test("defineUpstream() dials the URL as it is, without subprotocols and without the client's query", () => {
  assertEquals(dial({}, "jwt=T&token=T&apikey=K&model=m&x=1"), { url: "wss://up.example/v1", protocols: [] });
});

Deno.test("defineUpstream() puts the secret in subprotocols and values of the query", () => {
  const definition = {
    url: "wss://up.example/v1?key={secret}&mode=a b",
    subprotocols: ["v1", "key.{secret}"],
    secret: SECRET,
  };
  assertEquals(dial(definition), {
    url: `wss://up.example/v1?key=${SECRET}&mode=a+b`,
    protocols: ["v1", `key.${SECRET}`],
  });
});

Deno.test("defineUpstream() encodes a secret in the query, whatever it holds", () => {
  const secret = "a&b=c#d {secret} é";
  const { url } = dial({ url: "wss://up.example/?key={secret}", secret })!;
  assertEquals(new URL(url).searchParams.get("key"), secret);
  assertEquals(new URL(url).hash, "");
});

const queries: { query: string; expected: string }[] = [
  { query: "", expected: "?mode=default" },
  { query: "mode=own", expected: "?mode=own" },
  { query: "mode=1&mode=2", expected: "?mode=1&mode=2" },
  { query: "mode=a%26admin%3D1", expected: "?mode=a%26admin%3D1" },
  { query: "lang=en&other=x", expected: "?mode=default&lang=en" },
  { query: "Mode=own", expected: "?mode=default" },
];

for (const { query, expected } of queries) {
  Deno.test(`defineUpstream() makes ${expected} of the client's "${query}"`, () => {
    const { url } = dial({ url: "wss://up.example/?mode=default", query: ["mode", "lang"] }, query)!;
    assertEquals(new URL(url).search, expected);
  });
}

Deno.test("an upstream keeps one client's query from the next", () => {
  const upstream = defineUpstream({ name: "up", url: "wss://up.example/", query: ["model"] });
  upstream.address("", new URLSearchParams("model=a"));
  assertEquals(upstream.address("", noQuery)?.url.href, "wss://up.example/");
});

const paths: { path: string; known: boolean }[] = [
  { path: "", known: true },
  { path: "/", known: true },
  { path: "/realtime", known: true },
  { path: "/realtime/", known: false },
  { path: "/../admin", known: false },
  { path: "/other", known: false },
];

for (const { path, known } of paths) {
  Deno.test(`an upstream ${known ? "has an" : "has no"} address at "${path}"`, () => {
    assertEquals(dial({ paths: ["/realtime"] }, "", path) !== undefined, known);
  });
}

Deno.test("an upstream shows its secret in no property, and takes it out of a text", () => {
  const upstream = defineUpstream({
    name: "up",
    url: "wss://u.example/?k={secret}",
    subprotocols: ["a"],
    secret: SECRET,
  });
  assert(!(JSON.stringify(upstream) + Deno.inspect(upstream, { depth: 10, showHidden: true })).includes(SECRET));
  assertEquals(upstream.redact(`Bad key ${SECRET} (${SECRET})`), "Bad key *** (***)");
  assertEquals(defineUpstream({ name: "up", url: "wss://u.example/" }).redact("as it is"), "as it is");
});

const wrong: { name: string; definition: Partial<UpstreamDefinition>; message: string }[] = [
  ...[
    "",
    "up.example",
    "https://up.example",
    "http://up.example",
    "wss://user@up.example",
    "wss://:pw@up.example",
    "wss://u.example/#x",
  ]
    .map((url) => ({ name: `the URL "${url}"`, definition: { url }, message: "url must be a ws:// or wss:// URL" })),
  {
    name: "the secret in the path",
    definition: { url: "wss://up.example/{secret}/v1", secret: SECRET },
    message: "may stand in a subprotocol and in a value of the URL's query only",
  },
  {
    name: "a secret that is not used",
    definition: { secret: SECRET },
    message: "the secret must be used: write {secret} in",
  },
  {
    name: "a placeholder without a secret",
    definition: { subprotocols: ["key.{secret}"] },
    message: "{secret} stands for a secret that is not named",
  },
  ...["jwt", "token", "apikey", "JWT"].map((parameter) => ({
    name: `the parameter ${parameter}`,
    definition: { query: [parameter] },
    message: `query must not hold "${parameter}": it carries the user's credentials`,
  })),
  {
    name: "a parameter that carries the secret",
    definition: { url: "wss://up.example/?key={secret}", secret: SECRET, query: ["key"] },
    message: `query must not hold "key", which carries the secret`,
  },
  {
    name: "a subprotocol with a space",
    definition: { subprotocols: ["a b"] },
    message: "subprotocols must hold letters, digits",
  },
  {
    name: "a secret that no subprotocol can carry",
    definition: { subprotocols: ["key.{secret}"], secret: `${SECRET} ` },
    message: "subprotocols must hold letters, digits",
  },
  {
    name: "a subprotocol twice",
    definition: { subprotocols: ["a", "A"] },
    message: "subprotocols must differ from one another",
  },
];

for (const { name, definition, message } of wrong) {
  Deno.test(`defineUpstream() refuses ${name}, and quotes no secret`, () => {
    const error = assertThrows(() => dial(definition), RangeError, message) as Error;
    assert(!error.message.includes(SECRET));
  });
}

Deno.test("openAiUpstream() goes where OpenAI is, with its key by subprotocol", () => {
  const upstream = openAiUpstream({ apiKey: SECRET });
  const { url, protocols } = upstream.address("", noQuery)!;
  assertEquals(url.href, "wss://api.openai.com/v1/realtime?model=gpt-realtime");
  assertEquals(protocols, ["realtime", `openai-insecure-api-key.${SECRET}`]);
  assertEquals(upstream.protocols, ["realtime"]);
});

Deno.test("openAiUpstream() takes the model from the client, else the settings, else the URL", () => {
  const modelOf = (settings: { model?: string; url?: string }, query: string) =>
    openAiUpstream({ apiKey: SECRET, ...settings }).address("", new URLSearchParams(query))?.url.searchParams.getAll(
      "model",
    );
  assertEquals(modelOf({}, "model=gpt-realtime-mini"), ["gpt-realtime-mini"]);
  assertEquals(modelOf({ model: "own" }, ""), ["own"]);
  assertEquals(modelOf({ url: "ws://127.0.0.1:1/?model=in-url", model: "own" }, ""), ["in-url"]);
});

Deno.test("openAiUpstream() names organization and project where they are set", () => {
  const { protocols } = openAiUpstream({ apiKey: SECRET, organization: "org-1", project: "proj_1" }).address(
    "",
    noQuery,
  )!;
  assertEquals(protocols.slice(2), ["openai-organization.org-1", "openai-project.proj_1"]);
});

for (const path of ["", "/realtime", "/v1/realtime"]) {
  Deno.test(`openAiUpstream() takes clients at "${path}"`, () => {
    assert(openAiUpstream({ apiKey: SECRET }).address(path, noQuery));
  });
}
