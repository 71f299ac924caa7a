import { assert, assertEquals, assertRejects } from "@std/assert";
import { type OpenAiPolicy, refuseModel } from "../../../shared/relay/openai/openai_policy.ts";
import { readOpenAiPolicy } from "../../../shared/relay/openai/read_openai_policy.ts";

const noFile = () => Promise.reject(new Error("No such file"));
const policyOf = (policy: unknown, env: Record<string, string> = {}) =>
  readOpenAiPolicy({ OPENAI_REALTIME_POLICY: JSON.stringify(policy), ...env }, noFile);

Deno.test("readOpenAiPolicy() allows the one model, all known events, functions only, and neither prompts nor traces", async () => {
  const policy = await readOpenAiPolicy({}, noFile);
  assertEquals(policy.models, new Set(["gpt-realtime"]));
  assertEquals(policy.defaultModel, "gpt-realtime");
  assertEquals(policy.clientEvents.size, 11);
  assertEquals(policy.toolTypes, new Set(["function"]));
  assert(policy.items.has("system"));
  assertEquals([policy.sessionFields.has("prompt"), policy.sessionFields.has("tracing")], [false, false]);
  assertEquals(policy.unknown, { clientEvents: "stop", serverEvents: "pass", fields: "stop" });
  assertEquals(policy.inputAudio, { maxBytes: undefined, bytesPerSecond: undefined, burstBytes: undefined });
});

Deno.test("readOpenAiPolicy() reads every field", async () => {
  const locked = { instructions: "x", audio: { output: { voice: "marin" } } };
  const defaults = { tools: [], audio: { input: { turn_detection: null } } };
  const { models, clientEvents, toolTypes, items, content, sessionFields, ...policy } = await policyOf({
    models: ["a", "b"],
    locked,
    defaults,
    max_output_tokens: 10,
    session_fields: ["audio"],
    tool_types: ["mcp"],
    client_events: ["response.create"],
    items: ["user"],
    content: ["input_text"],
    unknown_client_events: "pass",
    unknown_server_events: "stop",
    unknown_fields: "pass",
    input_audio: { max_bytes: 1, bytes_per_second: 2, burst_bytes: 3 },
  }) satisfies OpenAiPolicy;
  assertEquals([models, clientEvents, toolTypes, items, content, sessionFields].map((set) => [...set]), [
    ["a", "b"],
    ["response.create"],
    ["mcp"],
    ["user"],
    ["input_text"],
    ["audio"],
  ]);
  assertEquals(policy, {
    defaultModel: "a",
    locked,
    defaults,
    maxOutputTokens: 10,
    unknown: { clientEvents: "pass", serverEvents: "stop", fields: "pass" },
    inputAudio: { maxBytes: 1, bytesPerSecond: 2, burstBytes: 3 },
  });
});

Deno.test("readOpenAiPolicy() reads a file", async () => {
  const paths: string[] = [];
  const policy = await readOpenAiPolicy({ OPENAI_REALTIME_POLICY_FILE: " policy.json " }, (path) => {
    paths.push(path);
    return Promise.resolve(`{"models": "any"}`);
  });
  assertEquals([policy.models, paths], ["any", ["policy.json"]]);
});

Deno.test("readOpenAiPolicy() takes the model of a client that names none from where the upstream has it", async () => {
  const models = { models: ["a", "b", "c"] };
  const url = { OPENAI_REALTIME_URL: "wss://h/v1/realtime?model=c" };
  assertEquals((await policyOf(models)).defaultModel, "a");
  assertEquals((await policyOf(models, { OPENAI_REALTIME_MODEL: "b" })).defaultModel, "b");
  assertEquals((await policyOf(models, { OPENAI_REALTIME_MODEL: "b", ...url })).defaultModel, "c");
  assertEquals((await policyOf({}, url)).models, new Set(["c"]));
});

const wrong: { name: string; policy: unknown; env?: Record<string, string>; message: string }[] = [
  { name: "a list", policy: [], message: "must hold a policy: it must be an object" },
  { name: "an unknown setting", policy: { voice: "ash" }, message: "voice is not a setting" },
  { name: "no models", policy: { models: [] }, message: `models must be "any" or a list of one or more models` },
  {
    name: "models without the default",
    policy: { models: ["a"] },
    env: { OPENAI_REALTIME_MODEL: "b" },
    message: "models must hold the model of a client that asks for none (OPENAI_REALTIME_MODEL)",
  },
  { name: "a locked model", policy: { locked: { model: "a" } }, message: "locked.model is not a setting" },
  {
    name: "an unknown field of audio",
    policy: { defaults: { audio: { output: { tone: 1 } } } },
    message: "defaults.audio.output.tone is not a setting",
  },
  {
    name: "a field of another type",
    policy: { locked: { instructions: 12345 } },
    message: "locked.instructions must be a string",
  },
  {
    name: "a tool of another type",
    policy: { locked: { tools: ["f"] } },
    message: "locked.tools.0 must be an object",
  },
  {
    name: "what is locked and a default",
    policy: {
      locked: { audio: { output: { voice: "a" } } },
      defaults: { audio: { output: { voice: "b", speed: 1 } } },
    },
    message: "locked and defaults must not both hold audio.output.voice",
  },
  {
    name: "a default above the ceiling",
    policy: { defaults: { max_output_tokens: "inf" }, max_output_tokens: 100 },
    message: "defaults.max_output_tokens must not be above max_output_tokens",
  },
  { name: "a ceiling of none", policy: { max_output_tokens: 0 }, message: "max_output_tokens must be a whole number" },
  {
    name: "a prompt beside locked instructions",
    policy: { session_fields: ["prompt"], locked: { instructions: "x" } },
    message: "session_fields must not hold prompt where instructions or tools are locked",
  },
  {
    name: "an unknown field to set",
    policy: { session_fields: ["x"] },
    message: "session_fields.0 must be one of audio",
  },
  { name: "an empty event", policy: { client_events: [""] }, message: "client_events.0 must be a client event" },
  {
    name: "an unknown verdict",
    policy: { unknown_fields: "drop" },
    message: `unknown_fields must be "pass" or "stop"`,
  },
  {
    name: "a burst without a rate",
    policy: { input_audio: { burst_bytes: 1 } },
    message: "input_audio.burst_bytes needs input_audio.bytes_per_second",
  },
  {
    name: "a rate of nothing",
    policy: { input_audio: { bytes_per_second: 0 } },
    message: "input_audio.bytes_per_second must be a whole number >= 1",
  },
];
for (const { name, policy, env, message } of wrong) {
  Deno.test(`readOpenAiPolicy() refuses ${name}, by name`, async () => {
    const error = await assertRejects(() => policyOf(policy, env), RangeError, message);
    assert(error.message.startsWith("Cannot start as OPENAI_REALTIME_POLICY must hold a policy: "));
    assert(!error.message.includes("12345"), "a value is quoted");
  });
}

Deno.test("readOpenAiPolicy() refuses what is no JSON without quoting it, a file that is not there, and both at once", async () => {
  const refused = async (env: Record<string, string>) =>
    (await assertRejects(() => readOpenAiPolicy(env, noFile), RangeError)).message;
  assertEquals(
    await refused({ OPENAI_REALTIME_POLICY: "confidential" }),
    "Cannot start as OPENAI_REALTIME_POLICY must hold a policy: it must be JSON",
  );
  assertEquals(
    await refused({ OPENAI_REALTIME_POLICY_FILE: "policy.json" }),
    "Cannot start as OPENAI_REALTIME_POLICY_FILE must name a file that can be read: No such file",
  );
  assertEquals(
    await refused({ OPENAI_REALTIME_POLICY: "{}", OPENAI_REALTIME_POLICY_FILE: "policy.json" }),
    "Cannot start as OPENAI_REALTIME_POLICY and OPENAI_REALTIME_POLICY_FILE must not both be set",
  );
});

Deno.test("refuseModel() lets the models of the policy through, one at a time", async () => {
  const policy = await policyOf({ models: ["a", "b"] });
  const refusal = (query: string, of: Pick<OpenAiPolicy, "models"> = policy) =>
    refuseModel(of, new URL(`wss://h/v1/realtime?${query}`))?.code;
  assertEquals(refusal("model=b"), undefined);
  assertEquals(refusal("model=c"), "forbidden");
  assertEquals(refusal("model=a&model=b"), "bad_request");
  assertEquals(refusal("model=c", { models: "any" }), undefined);
});
