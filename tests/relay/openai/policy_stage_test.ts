import { assert, assertEquals } from "@std/assert";
import { parseOpenAiPolicy } from "../../../shared/relay/openai/openai_policy.ts";
import { type PolicyStageOptions, policyStages } from "../../../shared/relay/openai/policy_stage.ts";
import type { RealtimeEvent } from "../../../shared/relay/openai/stage.ts";
import { driveStage } from "./drive_stage.ts";
import { HOSTILE_EVENTS, STRICT_POLICY } from "./hostile_client_events.ts";

const drive = (policy: unknown = {}, options?: PolicyStageOptions) =>
  driveStage(policyStages(parseOpenAiPolicy(policy), options));

const item = (part: Record<string, unknown>): RealtimeEvent => ({
  type: "conversation.item.create",
  item: { type: "message", role: "user", content: [part] },
});

/** Sends an event; what reached the upstream of it, or the code of the refusal. */
async function reachedBy(policy: unknown, event: RealtimeEvent) {
  const session = drive(policy);
  await session.fromClient(event);
  assertEquals(session.upstream.length + session.client.length, 1, "an event passes or is refused, never both");
  return session.upstream[0] ?? (session.client[0] as unknown as { error: { code: string } }).error.code;
}

for (const { attempt, sent, reached } of HOSTILE_EVENTS) {
  Deno.test(`policy: a hostile client tries ${attempt}`, async () => {
    assertEquals(await reachedBy(STRICT_POLICY, sent), reached);
  });
}

Deno.test("policy: each event of an honest client passes as it is where nothing is set", async () => {
  const events: RealtimeEvent[] = [
    {
      type: "session.update",
      event_id: "e1",
      session: {
        type: "realtime",
        instructions: "Be kind.",
        audio: {
          input: {
            format: { type: "audio/pcm", rate: 24000 },
            turn_detection: null,
            transcription: { model: "whisper-1" },
          },
          output: { voice: { id: "voice_1" }, speed: 1.1 },
        },
        max_output_tokens: "inf",
        tools: [{ type: "function", name: "f", parameters: { type: "object", properties: {} } }],
        tool_choice: { type: "function", name: "f" },
        truncation: { type: "retention_ratio", retention_ratio: 0.8 },
      },
    },
    { type: "input_audio_buffer.append", audio: "AAAA" },
    { type: "input_audio_buffer.append", event_id: "e2", audio: "AAAA" },
    { type: "input_audio_buffer.commit" },
    { type: "input_audio_buffer.clear" },
    { type: "output_audio_buffer.clear" },
    item({ type: "input_text", text: "Hello" }),
    {
      type: "conversation.item.create",
      previous_item_id: "root",
      item: { id: "i", type: "function_call_output", call_id: "c", output: "1" },
    },
    { type: "conversation.item.retrieve", item_id: "i" },
    { type: "conversation.item.delete", item_id: "i" },
    { type: "conversation.item.truncate", item_id: "i", content_index: 0, audio_end_ms: 1200 },
    { type: "response.create" },
    {
      type: "response.create",
      response: { input: [{ type: "item_reference", id: "i" }], output_modalities: ["text"] },
    },
    { type: "response.cancel", response_id: "r" },
  ];
  for (const event of events) assertEquals(await reachedBy({}, event), event);
});

Deno.test("policy: plain events pass as the objects they came as, so that their texts need not be written again", async () => {
  const policy = { locked: { instructions: "Be brief." }, input_audio: { bytes_per_second: 48_000 } };
  const audio = { type: "input_audio_buffer.append", event_id: "e", audio: "AAAA" };
  for (const event of [audio, item({ type: "input_text", text: "Hello" }), { type: "response.create" }]) {
    assert(await reachedBy(policy, event) === event, event.type);
  }
});

Deno.test("policy: a plain message is held to the items and the content that are allowed, as any other", async () => {
  const system = { type: "conversation.item.create", item: { type: "message", role: "system", content: [] } };
  assertEquals(await reachedBy({ locked: { instructions: "Be brief." } }, system), "item_not_allowed");
  const text = item({ type: "input_text", text: "Hello" });
  assertEquals(await reachedBy({ content: ["input_audio"] }, text), "item_not_allowed");
  assertEquals(await reachedBy({ client_events: ["response.create"] }, text), "event_not_allowed");
});

Deno.test("policy: the session is set up before anything of the client's, and only where there is something to say", async () => {
  const silent = drive();
  await silent.open();
  assertEquals(silent.upstream, []);

  const session = drive(STRICT_POLICY);
  await session.open();
  assertEquals(session.upstream, [{
    type: "session.update",
    event_id: "relay_policy",
    session: { type: "realtime", max_output_tokens: 1024, output_modalities: ["audio"], ...STRICT_POLICY.locked },
  }]);
});

Deno.test("policy: a default holds until the client changes it", async () => {
  const policy = { defaults: { instructions: "Be brief.", audio: { output: { voice: "marin" } } } };
  const session = drive({ ...policy, locked: { audio: { output: { speed: 1 } } } });
  await session.open();
  const audio = { output: { voice: "marin", speed: 1 } };
  assertEquals(session.upstream[0]?.session, { type: "realtime", instructions: "Be brief.", audio });
  await session.fromClient({ type: "session.update", session: { audio: { output: { voice: "ash", speed: 1.5 } } } });
  assertEquals(session.upstream[1]?.session, { type: "realtime", audio: { output: { voice: "ash", speed: 1 } } });
});

Deno.test("policy: both sides end where OpenAI refuses what is locked, and the log quotes none of it", async () => {
  const lines: string[] = [];
  const session = drive(STRICT_POLICY, { onFailure: (line) => lines.push(line) });
  await session.open();
  const error = { type: "invalid_request_error", code: "invalid_value", param: "session.tools", message: "library" };
  await session.fromUpstream({ type: "error", event_id: "u1", error: { ...error, event_id: "other" } });
  assertEquals([session.client.length, session.ended], [1, []]);
  await session.fromUpstream({ type: "error", event_id: "u2", error: { ...error, event_id: "relay_policy" } });
  assertEquals(session.client.length, 1);
  assertEquals(session.ended, [[4502, "upstream_failed: The session could not be set up"]]);
  assertEquals(lines, ["relay: OpenAI refused the policy's session: invalid_value, session.tools"]);
});

Deno.test("policy: a client cannot take the id of the event that sets up its session", async () => {
  const event = { type: "response.cancel", event_id: "relay_policy" };
  assertEquals(await reachedBy({}, event), "invalid_value");
});

Deno.test("policy: locked instructions are not shown, open ones are", async () => {
  for (const type of ["session.created", "session.updated"]) {
    const shown = async (policy: unknown) => {
      const session = drive(policy);
      await session.fromUpstream({ type, session: { id: "s", instructions: "Be kind.", tools: [] } });
      return session.client[0]?.session;
    };
    assertEquals(await shown({ locked: { instructions: "Be kind." } }), { id: "s", tools: [] });
    assertEquals(await shown({ defaults: { instructions: "Be kind." } }), {
      id: "s",
      instructions: "Be kind.",
      tools: [],
    });
  }
});

Deno.test("policy: a refusal has OpenAI's shape and names the client's event", async () => {
  const session = drive();
  await session.fromClient({ type: "session.update", event_id: "mine", session: { tools: [{ type: 1 }] } });
  const { event_id: id, ...event } = session.client[0]!;
  assert(/^event_[0-9a-f]{32}$/.test(id as string));
  assertEquals(event, {
    type: "error",
    error: {
      type: "invalid_request_error",
      code: "invalid_value",
      message: "Invalid value: 'session.tools[0].type' must be a string.",
      param: "session.tools[0].type",
      event_id: "mine",
    },
  });
});

const passing: { name: string; policy: unknown; event: RealtimeEvent; reached: RealtimeEvent | string }[] = [
  {
    name: "an event that is not listed",
    policy: { client_events: ["response.create"] },
    event: { type: "response.cancel" },
    reached: "event_not_allowed",
  },
  {
    name: "an event of the future that is listed",
    policy: { client_events: ["response.pause"] },
    event: { type: "response.pause", x: 1 },
    reached: { type: "response.pause", x: 1 },
  },
  {
    name: "any event of the future",
    policy: { unknown_client_events: "pass" },
    event: { type: "response.pause", x: 1 },
    reached: { type: "response.pause", x: 1 },
  },
  {
    name: "a known event that is not listed, although those of the future pass",
    policy: { unknown_client_events: "pass", client_events: [] },
    event: { type: "response.create" },
    reached: "event_not_allowed",
  },
  {
    name: "a field of the future",
    policy: { unknown_fields: "pass", locked: { instructions: "Be kind." } },
    event: {
      type: "session.update",
      x: 1,
      session: { model: "m", mood: 1, prompt: {}, audio: { input: { gain: 1 } } },
    },
    reached: { type: "session.update", x: 1, session: { type: "realtime", mood: 1, audio: { input: { gain: 1 } } } },
  },
  {
    name: "a tool of OpenAI's own",
    policy: { tool_types: ["function", "mcp"] },
    event: { type: "session.update", session: { tools: [{ type: "mcp" }, { name: "f" }, { type: "computer" }] } },
    reached: { type: "session.update", session: { type: "realtime", tools: [{ type: "mcp" }, { name: "f" }] } },
  },
  {
    name: "a prompt where the deployer wants it",
    policy: { session_fields: ["prompt"] },
    event: { type: "session.update", session: { prompt: { id: "p" }, instructions: "x" } },
    reached: { type: "session.update", session: { type: "realtime", prompt: { id: "p" } } },
  },
  {
    name: "a system message where no instructions are locked",
    policy: {},
    event: { type: "conversation.item.create", item: { type: "message", role: "system", content: [] } },
    reached: { type: "conversation.item.create", item: { type: "message", role: "system", content: [] } },
  },
  {
    name: "an image where only words are wanted",
    policy: { content: ["input_text"] },
    event: item({ type: "input_image", image_url: "data:image/png;base64,AAAA" }),
    reached: "item_not_allowed",
  },
  {
    name: "audio above the size",
    policy: { input_audio: { max_bytes: 5 } },
    event: { type: "input_audio_buffer.append", audio: "AAAAAAAA" },
    reached: "audio_too_large",
  },
  {
    name: "audio of just the size, with padding",
    policy: { input_audio: { max_bytes: 5 } },
    event: { type: "input_audio_buffer.append", audio: "AAAAAAA=" },
    reached: { type: "input_audio_buffer.append", audio: "AAAAAAA=" },
  },
  {
    name: "audio above the size in a message",
    policy: { input_audio: { max_bytes: 5 } },
    event: item({ type: "input_audio", audio: "AAAAAAAA" }),
    reached: "audio_too_large",
  },
  {
    name: "audio above the size in the input of a response",
    policy: { input_audio: { max_bytes: 5 } },
    event: { type: "response.create", response: { input: [item({ type: "input_audio", audio: "AAAAAAAA" }).item] } },
    reached: "audio_too_large",
  },
  {
    name: "audio that is no text",
    policy: {},
    event: { type: "input_audio_buffer.append", audio: 1 },
    reached: "invalid_value",
  },
  {
    name: "audio with more in it",
    policy: {},
    event: { type: "input_audio_buffer.append", audio: "AAAA", session: {} },
    reached: { type: "input_audio_buffer.append", audio: "AAAA" },
  },
];
for (const { name, policy, event, reached } of passing) {
  Deno.test(`policy: ${name} ${typeof reached === "string" ? "is refused" : "passes"}`, async () => {
    assertEquals(await reachedBy(policy, event), reached);
  });
}

Deno.test("policy: audio is held to its rate, wherever it is, after a burst", async () => {
  let now = 0;
  const session = drive({ input_audio: { bytes_per_second: 6, burst_bytes: 9 } }, { now: () => now });
  const append = { type: "input_audio_buffer.append", audio: "AAAA" };
  const sent = async (event: RealtimeEvent) => {
    const before = session.upstream.length;
    await session.fromClient(event);
    return session.upstream.length > before;
  };
  assertEquals([await sent(append), await sent(append), await sent(append), await sent(append)], [
    true,
    true,
    true,
    false,
  ]);
  const { error } = session.client[0] as unknown as { error: { code: string; message: string } };
  assertEquals(error.code, "rate_limit_exceeded");
  assertEquals(error.message, "Audio comes faster than 6 bytes a second; wait 500 ms.");
  now += 500;
  assertEquals(await sent(item({ type: "input_audio", audio: "AAAA" })), true);
  assertEquals(await sent(append), false);
});

Deno.test("policy: events of the server that are not known pass, or stop", async () => {
  for (const [verdict, shown] of [["pass", 2], ["stop", 1]] as const) {
    const session = drive({ unknown_server_events: verdict });
    await session.fromUpstream({ type: "response.paused" });
    await session.fromUpstream({ type: "response.done" });
    assertEquals(session.client.length, shown, verdict);
  }
});
