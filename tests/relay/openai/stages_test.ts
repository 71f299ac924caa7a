import { assert, assertEquals } from "@std/assert";
import * as z from "zod/mini";
import { memorySessionStore } from "../../../shared/relay/openai/memory_session_store.ts";
import { memoryUsageStore } from "../../../shared/relay/openai/memory_usage_store.ts";
import { Meter } from "../../../shared/relay/openai/meter.ts";
import { parseOpenAiPolicy } from "../../../shared/relay/openai/openai_policy.ts";
import { policyStages } from "../../../shared/relay/openai/policy_stage.ts";
import { defineTool, type ServerTool, ToolRegistry } from "../../../shared/relay/openai/server_tool.ts";
import type { CreateStage } from "../../../shared/relay/openai/stage.ts";
import { toolsStages } from "../../../shared/relay/openai/tools_stage.ts";
import { DEFAULT_WEIGHTS } from "../../../shared/relay/openai/usage.ts";
import type { UsageLimits } from "../../../shared/relay/openai/usage_store.ts";
import { eventually } from "../../support/eventually.ts";
import { RealtimeClient } from "../openai_realtime_server/realtime_client.ts";
import { startOpenAiRealtime } from "../openai_realtime_server/start_openai_realtime.ts";
import { ADA, startOpenAiRelay, tokenOf } from "./start_openai_relay.ts";

const TEXT = { output_modalities: ["text"] };

interface Deployment {
  readonly policy?: unknown;
  readonly limits?: Partial<UsageLimits>;
  readonly tools?: readonly ServerTool[];
  readonly usage?: ReturnType<typeof memoryUsageStore>;
}

/** The stages of a deployment, as the function puts them together. */
function stagesOf(
  { policy = { defaults: TEXT }, limits, tools, usage = memoryUsageStore() }: Deployment,
): CreateStage[] {
  const meter = new Meter({
    store: usage,
    limits: { dailyBudget: null, maxSessions: null, ...limits },
    weights: DEFAULT_WEIGHTS,
  });
  return [
    policyStages(parseOpenAiPolicy(policy)),
    meter.createStage,
    ...tools ? [toolsStages(new ToolRegistry(tools))] : [],
  ];
}

/** A tool that answers when the test says so. */
function gatedTool() {
  const calls: string[] = [];
  const gate = Promise.withResolvers<void>();
  const tool = defineTool({
    name: "weather",
    description: "The weather of a city.",
    parameters: z.object({ city: z.string() }),
    async run({ city }, { callId }) {
      calls.push(callId);
      await gate.promise;
      return `${city} is clear`;
    },
  });
  return { tool, calls, open: () => gate.resolve() };
}

/** The text of the answer that a client was shown last. */
function lastAnswer(client: RealtimeClient): string | undefined {
  return client.all("response.output_text.done").at(-1)?.text;
}

const ASK = 'use weather with {"city":"Rome"}';
const ANSWER = "Answer 1: the function gave Rome is clear";

Deno.test("OpenAI: a tool of the server is called, answered and told of, and the client sees an answer only", async () => {
  await using openAi = await startOpenAiRealtime();
  const { tool, open } = gatedTool();
  open();
  await using relay = startOpenAiRelay(openAi, { stages: stagesOf({ tools: [tool] }) });
  await using client = await relay.talk("");
  await client.ask(ASK);
  await client.next("response.done");
  assertEquals(lastAnswer(client), ANSWER);
  const seen = JSON.stringify(client.events);
  for (const hidden of ['"name":"weather"', "function_call", '"city"', "parameters"]) {
    assert(!seen.includes(hidden), hidden);
  }
  assertEquals(client.all("error"), []);
  const [session] = openAi.sessions;
  assertEquals(session?.refusals, []);
  assertEquals(session?.transcript.map((line) => line.split(" ")[0]), ["user:", "call", "gave", "assistant:"]);
});

Deno.test("OpenAI: a call that a kill left open is made again by the next isolate, and answered once", async () => {
  await using openAi = await startOpenAiRealtime();
  const store = memorySessionStore();
  const { tool, calls, open } = gatedTool();
  const stages = stagesOf({ tools: [tool] });
  await using first = startOpenAiRelay(openAi, { store, stages });
  const before = await first.talk();
  await before.ask(ASK);
  await eventually("the tool runs", () => calls.length === 1);
  before.socket.socket.close(4000, "gone");

  await using second = startOpenAiRelay(openAi, { store, stages });
  await using after = await second.talk();
  await eventually("the tool runs again", () => calls.length === 2);
  open();
  await after.next("response.done");
  assertEquals(lastAnswer(after), ANSWER);
  assertEquals(calls[0], calls[1]);
  const session = openAi.sessions.at(-1);
  assertEquals(session?.refusals, []);
  assertEquals(session?.transcript.at(-1), `assistant: ${ANSWER}`);
  assertEquals(session?.transcript.filter((line) => line.startsWith("gave")).length, 1);
});

Deno.test("OpenAI: a call goes on where only the upstream is lost", async () => {
  await using openAi = await startOpenAiRealtime();
  const { tool, calls, open } = gatedTool();
  await using relay = startOpenAiRelay(openAi, { stages: stagesOf({ tools: [tool] }) });
  await using client = await relay.talk();
  await client.ask(ASK);
  await eventually("the tool runs", () => calls.length === 1);
  openAi.sessions[0]!.expire();
  await eventually("a second upstream begins", () => openAi.sessions.length === 2);
  open();
  await client.next("response.done");
  assertEquals([lastAnswer(client), calls.length], [ANSWER, 1]);
  assertEquals(openAi.sessions[1]?.refusals, []);
});

Deno.test("OpenAI: what is locked holds from the first word, after a reconnect too, and is not shown", async () => {
  await using openAi = await startOpenAiRealtime();
  const policy = { locked: { instructions: "You are a library.", ...TEXT } };
  const store = memorySessionStore();
  await using first = startOpenAiRelay(openAi, { store, stages: stagesOf({ policy }) });
  const before = await first.talk();
  before.send({
    type: "session.update",
    session: { type: "realtime", instructions: "Do as I say.", max_output_tokens: 900 },
  });
  await before.ask("what are your instructions", { instructions: "Do as I say." });
  assertEquals(lastAnswer(before), "My instructions: You are a library.");
  before.socket.socket.close(4000, "gone");

  // The deployer has other rules meanwhile.
  const changed = { locked: { instructions: "You are a museum.", ...TEXT } };
  await using second = startOpenAiRelay(openAi, { store, stages: stagesOf({ policy: changed }) });
  await using after = await second.talk();
  await after.ask("what are your instructions");
  assertEquals(lastAnswer(after), "My instructions: You are a museum.");
  for (const { events } of [before, after]) {
    const sessions = events.filter(({ type }) => type.startsWith("session."));
    assert(sessions.length > 0 && !JSON.stringify(sessions).includes("instructions"));
  }
  assertEquals(openAi.sessions.flatMap(({ refusals }) => refusals), []);
});

Deno.test("OpenAI: a default stays what the client made of it, after a reconnect too", async () => {
  await using openAi = await startOpenAiRealtime();
  const stages = stagesOf({ policy: { defaults: { instructions: "Be brief.", ...TEXT } } });
  const store = memorySessionStore();
  await using first = startOpenAiRelay(openAi, { store, stages });
  const before = await first.talk();
  await before.ask("what are your instructions");
  assertEquals(lastAnswer(before), "My instructions: Be brief.");
  before.send({ type: "session.update", session: { type: "realtime", instructions: "Be verbose." } });
  await before.ask("what are your instructions");
  before.socket.socket.close(4000, "gone");

  await using second = startOpenAiRelay(openAi, { store, stages });
  await using after = await second.talk();
  await after.ask("what are your instructions");
  assertEquals(lastAnswer(after), "My instructions: Be verbose.");
});

Deno.test("OpenAI: a session ends when the budget is used up, and none begins after that", async () => {
  await using openAi = await startOpenAiRealtime();
  const usage = memoryUsageStore();
  const stages = stagesOf({ usage, limits: { dailyBudget: 20 } });
  await using relay = startOpenAiRelay(openAi, { stages });
  await using client = await relay.talk("");
  for (let turns = 0; turns < 10 && client.socket.socket.readyState === WebSocket.OPEN; turns++) client.say("hello");
  client.send({ type: "response.create" });
  const { code, reason } = await client.socket.closed;
  assertEquals([code, reason.split(":")[0]], [4402, "budget_exceeded"]);
  assertEquals(client.events.slice(-2).map((event) => event.type), ["response.done", "error"]);
  const [record] = usage.records.values();
  assertEquals([record?.userId, record?.kind, record?.model], [ADA, "response", "gpt-realtime"]);
  const { usage: told } = client.all("response.done")[0]!.response;
  assertEquals(record!.cost, told?.total_tokens);

  const begun = openAi.sessions.length;
  await using late = await RealtimeClient.open(`${relay.socketUrl}/relay/openai`, await tokenOf(ADA));
  assertEquals((await late.socket.closed).code, 4402);
  assertEquals(
    (late.all("error")[0] as { error: { code?: string | null } } | undefined)?.error.code,
    "budget_exceeded",
  );
  assertEquals(openAi.sessions.length, begun, "OpenAI is not dialled for who may not begin");
});
