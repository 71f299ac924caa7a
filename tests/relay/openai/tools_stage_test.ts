import { assert, assertEquals, assertThrows } from "@std/assert";
import { type Clock, install } from "@sinonjs/fake-timers";
import * as z from "zod/mini";
import {
  defineTool,
  type ServerTool,
  type ToolCall,
  ToolError,
  ToolRegistry,
} from "../../../shared/relay/openai/server_tool.ts";
import type { RealtimeEvent } from "../../../shared/relay/openai/stage.ts";
import { toolsStages } from "../../../shared/relay/openai/tools_stage.ts";
import { Log } from "../../../shared/telemetry/log.ts";
import { type DrivenStage, driveStage } from "./drive_stage.ts";

type Fields = Record<string, unknown>;

const weather = defineTool({
  name: "weather",
  description: "The weather of a city.",
  parameters: z.object({ city: z.string() }),
  run: ({ city }) => ({ city, sky: "clear" }),
});

const DECLARED = {
  type: "function",
  name: "weather",
  description: "The weather of a city.",
  parameters: {
    type: "object",
    properties: { city: { type: "string" } },
    required: ["city"],
    additionalProperties: false,
  },
};
/** The schema of a loose object says nothing of other members. */
const { additionalProperties: _, ...open } = DECLARED.parameters;
const DECLARATION = { ...DECLARED, parameters: open };
const CLIENT_TOOL = { type: "function", name: "ring_bell" };

interface Driven extends DrivenStage {
  readonly lines: string[];
  /** Resolves once so many events in all have reached the upstream. */
  sent(count: number): Promise<RealtimeEvent[]>;
  types(): string[];
}

async function start(tools: readonly ServerTool[] = [weather]): Promise<Driven> {
  const lines: string[] = [];
  const log = new Log({ write: (_, line) => lines.push(JSON.parse(line).event) });
  const driven = driveStage(toolsStages(new ToolRegistry(tools), { log }), { userId: "ann", sessionId: "talk" });
  await driven.open();
  driven.upstream.length = 0;
  return {
    ...driven,
    lines,
    async sent(count) {
      await settled(() => driven.upstream.length >= count);
      return driven.upstream;
    },
    types: () => driven.client.map(({ type }) => type),
  };
}

/** Waits for what no timer stands in the way of. */
async function settled(isSo: () => boolean): Promise<void> {
  for (let turns = 0; turns < 1_000 && !isSo(); turns++) await Promise.resolve();
  assert(isSo());
}

const call = (id: string, name = "weather", args = '{"city":"Rome"}'): Fields => ({
  id,
  type: "function_call",
  name,
  call_id: `call_${id}`,
  arguments: args,
  status: "completed",
});
const message = (id: string): Fields => ({ id, type: "message", role: "assistant", content: [], status: "completed" });

interface Told {
  readonly id?: string;
  readonly status?: string;
  readonly conversation?: string | null;
  /** The item that stands before those of the response. */
  readonly behind?: string | null;
}

/** A response begins, and says its items. */
async function begin(
  session: DrivenStage,
  items: readonly Fields[],
  { id = "resp_1", conversation, behind = "item_user" }: Told = {},
) {
  await session.fromUpstream({ type: "response.created", response: { id, conversation_id: conversation } });
  let previous = behind;
  for (const item of items) {
    const of = { response_id: id, item_id: item.id };
    const early = { ...item, status: "in_progress", ...item.type === "function_call" && { arguments: "" } };
    await session.fromUpstream({ type: "response.output_item.added", response_id: id, item: early });
    await session.fromUpstream({ type: "conversation.item.added", previous_item_id: previous, item: early });
    if (item.type === "function_call") {
      await session.fromUpstream({ type: "response.function_call_arguments.delta", ...of, delta: "{" });
      await session.fromUpstream({ type: "response.function_call_arguments.done", ...of, arguments: item.arguments });
    }
    await session.fromUpstream({ type: "conversation.item.done", previous_item_id: previous, item });
    await session.fromUpstream({ type: "response.output_item.done", response_id: id, item });
    previous = item.id as string;
  }
}

async function end(session: DrivenStage, items: readonly Fields[], { id = "resp_1", status = "completed" }: Told = {}) {
  await session.fromUpstream({
    type: "response.done",
    response: { id, status, output: items, usage: { total_tokens: 3 } },
  });
}

async function respond(session: DrivenStage, items: readonly Fields[], told: Told = {}) {
  await begin(session, items, told);
  await end(session, items, told);
}

const outputs = (events: readonly RealtimeEvent[]) =>
  events.flatMap(({ item }) => item === undefined ? [] : [JSON.parse((item as { output: string }).output)]);

Deno.test("tools: a session that sets no tools is given those of the server", async () => {
  const driven = driveStage(toolsStages(new ToolRegistry([weather])));
  await driven.open();
  assertEquals(driven.upstream, [{
    type: "session.update",
    event_id: "relay_tools_session",
    session: { type: "realtime", tools: [DECLARATION] },
  }]);
});

Deno.test("tools: the set-up of a stage before it carries the tools along", async () => {
  const driven = driveStage(toolsStages(new ToolRegistry([weather])));
  await driven.fromClient({ type: "session.update", session: { instructions: "Be kind." } });
  await driven.open();
  assertEquals(driven.upstream.map(({ session }) => session), [{ instructions: "Be kind.", tools: [DECLARATION] }]);
});

Deno.test("tools: those of the client stand beside those of the server, and cannot take their names", async () => {
  const session = await start();
  const impostor = { type: "function", name: "weather", description: "Mine." };
  const events: RealtimeEvent[] = [
    { type: "session.update", session: { tools: [CLIENT_TOOL, impostor] } },
    { type: "session.update", session: { tools: [] } },
    { type: "session.update", session: { tools: null } },
    { type: "session.update", session: { instructions: "x" } },
    { type: "response.create", response: { tools: [impostor, CLIENT_TOOL] } },
    { type: "response.create", response: { instructions: "x" } },
    { type: "response.create" },
  ];
  for (const event of events) await session.fromClient(event);
  assertEquals(session.upstream, [
    { type: "session.update", session: { tools: [CLIENT_TOOL, DECLARATION] } },
    { type: "session.update", session: { tools: [DECLARATION] } },
    { type: "session.update", session: { tools: [DECLARATION] } },
    { type: "session.update", session: { instructions: "x" } },
    { type: "response.create", response: { tools: [CLIENT_TOOL, DECLARATION] } },
    { type: "response.create", response: { instructions: "x" } },
    { type: "response.create" },
  ]);
});

Deno.test("tools: the client is not shown those of the server", async () => {
  const session = await start();
  for (const type of ["session.created", "session.updated"]) {
    await session.fromUpstream({ type, session: { id: "s", tools: [DECLARATION, CLIENT_TOOL] } });
  }
  assertEquals(session.client.map((event) => event.session), [
    { id: "s", tools: [CLIENT_TOOL] },
    { id: "s", tools: [CLIENT_TOOL] },
  ]);
});

Deno.test("tools: a call is answered, the next response asked for, and the client sees the responses only", async () => {
  const seen: unknown[] = [];
  const session = await start([defineTool({
    ...weather,
    run: (args, { signal, ...call }: ToolCall) => {
      seen.push(args, call, signal.aborted);
      return { sky: "clear" };
    },
  })]);
  const items = [call("fc_1")];
  await begin(session, items);
  await session.sent(1);
  assertEquals(session.upstream, [{
    type: "conversation.item.create",
    event_id: "relay_tools_output_1",
    item: { type: "function_call_output", call_id: "call_fc_1", output: '{"sky":"clear"}' },
  }]);
  assertEquals(seen, [{ city: "Rome" }, { userId: "ann", sessionId: "talk", callId: "call_fc_1" }, false]);
  await end(session, items);
  assertEquals(session.upstream[1], { type: "response.create", event_id: "relay_tools_response_2" });
  const output = { id: "fo_1", type: "function_call_output", call_id: "call_fc_1", output: "{}" };
  await session.fromUpstream({ type: "conversation.item.added", previous_item_id: "fc_1", item: output });
  await session.fromUpstream({ type: "conversation.item.done", previous_item_id: "fc_1", item: output });
  await session.fromUpstream({ type: "conversation.item.retrieved", item: output });
  assertEquals(session.client, [
    { type: "response.created", response: { id: "resp_1", conversation_id: undefined } },
    {
      type: "response.done",
      response: { id: "resp_1", status: "completed", output: [], usage: { total_tokens: 3 } },
    },
  ]);
});

Deno.test("tools: calls of the client's own pass as they are", async () => {
  const session = await start();
  const items = [message("m_1"), call("fc_1", "ring_bell")];
  await respond(session, items);
  assertEquals(session.upstream, []);
  assertEquals(session.types(), [
    "response.created",
    "response.output_item.added",
    "conversation.item.added",
    "conversation.item.done",
    "response.output_item.done",
    "response.output_item.added",
    "conversation.item.added",
    "response.function_call_arguments.delta",
    "response.function_call_arguments.done",
    "conversation.item.done",
    "response.output_item.done",
    "response.done",
  ]);
  const done = { type: "response.done", response: { id: "none", status: "completed", output: items } };
  await session.fromUpstream(done);
  assert(session.client.at(-1) === done, "an event without calls to the server's tools is not made anew");
});

Deno.test("tools: where the client has calls to answer as well, it asks for the next response, once the outputs are there", async () => {
  const answer = Promise.withResolvers<string>();
  const session = await start([defineTool({ ...weather, run: () => answer.promise })]);
  const items = [call("fc_1"), call("fc_2", "ring_bell")];
  await respond(session, items);
  assertEquals(session.client.at(-1)?.response, {
    id: "resp_1",
    status: "completed",
    output: [items[1]],
    usage: { total_tokens: 3 },
  });
  const output = {
    type: "conversation.item.create",
    item: { type: "function_call_output", call_id: "call_fc_2", output: "1" },
  };
  await session.fromClient(output);
  await session.fromClient({ type: "response.create", event_id: "mine" });
  await session.fromClient({ type: "input_audio_buffer.append", audio: "AAAA" });
  assertEquals(session.upstream.map(({ type }) => type), ["conversation.item.create", "input_audio_buffer.append"]);
  answer.resolve("clear");
  const [, , own, create] = await session.sent(4);
  assertEquals(own!.item, { type: "function_call_output", call_id: "call_fc_1", output: "clear" });
  assertEquals(create, { type: "response.create", event_id: "mine" });
  await Promise.resolve();
  assertEquals(session.upstream.length, 4);
});

Deno.test("tools: where all outputs are there before the client has answered its own call, nothing is asked for", async () => {
  const session = await start();
  const items = [call("fc_1"), call("fc_2", "ring_bell")];
  await begin(session, items);
  await session.sent(1);
  await end(session, items);
  assertEquals(session.upstream.length, 1);
});

Deno.test("tools: several calls of one response are answered side by side, and the next asked for once", async () => {
  const answers = new Map<string, (sky: string) => void>();
  const session = await start([defineTool({
    ...weather,
    run: ({ city }) => new Promise((resolve) => answers.set(city, resolve)),
  })]);
  const items = [call("fc_1"), call("fc_2", "weather", '{"city":"Oslo"}')];
  await respond(session, items);
  await settled(() => answers.size === 2);
  answers.get("Oslo")!("grey");
  await session.sent(1);
  answers.get("Rome")!("clear");
  const sent = await session.sent(3);
  assertEquals(sent.map(({ type, item }) => [type, (item as Fields | undefined)?.call_id]), [
    ["conversation.item.create", "call_fc_2"],
    ["conversation.item.create", "call_fc_1"],
    ["response.create", undefined],
  ]);
});

Deno.test("tools: what was broken off is not run, and where somebody broke in nothing more is asked for", async () => {
  const session = await start();
  const cut = { ...call("fc_1"), status: "incomplete" };
  await respond(session, [cut], { status: "cancelled" });
  assertEquals(session.upstream, []);
  await respond(session, [call("fc_2")], { id: "resp_2", status: "cancelled" });
  const sent = await session.sent(1);
  assertEquals(sent.map(({ type }) => type), ["conversation.item.create"]);
  assertEquals(session.types(), ["response.created", "response.done", "response.created", "response.done"]);
});

Deno.test("tools: where another response is under way when a tool is done, the next waits for its end", async () => {
  const answer = Promise.withResolvers<string>();
  const session = await start([defineTool({ ...weather, run: () => answer.promise })]);
  await respond(session, [call("fc_1")]);
  await session.fromUpstream({ type: "input_audio_buffer.committed", previous_item_id: "fc_1", item_id: "item_2" });
  assertEquals(session.client.at(-1)?.previous_item_id, "item_user");
  await begin(session, [message("m_1")], { id: "resp_2" });
  answer.resolve("clear");
  await session.sent(1);
  assertEquals(session.upstream.length, 1);
  await end(session, [message("m_1")], { id: "resp_2" });
  assertEquals(session.upstream.map(({ type }) => type), ["conversation.item.create", "response.create"]);
});

Deno.test("tools: a response that OpenAI refuses as another was faster is asked for after that, unseen", async () => {
  const session = await start();
  await respond(session, [call("fc_1")]);
  const [, create] = await session.sent(2);
  await begin(session, [message("m_1")], { id: "resp_2" });
  const shown = session.client.length;
  const error = { code: "conversation_already_has_active_response", event_id: create!.event_id };
  await session.fromUpstream({ type: "error", error });
  assertEquals(session.client.length, shown);
  await end(session, [message("m_1")], { id: "resp_2" });
  assertEquals(session.upstream.map(({ type }) => type), [
    "conversation.item.create",
    "response.create",
    "response.create",
  ]);
  await session.fromUpstream({ type: "error", error: { ...error, event_id: "mine" } });
  assertEquals(session.types().at(-1), "error");
});

Deno.test("tools: a call outside the conversation is neither run nor shown", async () => {
  const session = await start();
  await respond(session, [call("fc_1")], { conversation: null });
  assertEquals([session.upstream, session.types()], [[], ["response.created", "response.done"]]);
});

Deno.test("tools: a client can neither call a tool of the server nor answer for it", async () => {
  const session = await start();
  await respond(session, [call("fc_1")]);
  await session.sent(2);
  for (const item of [call("mine"), { type: "function_call_output", call_id: "call_fc_1", output: "{}" }]) {
    await session.fromClient({ type: "conversation.item.create", event_id: "e", item });
    const { error } = session.client.at(-1) as unknown as { error: Fields };
    assertEquals([error.code, error.event_id, session.upstream.length], ["item_not_allowed", "e", 2]);
  }
});

Deno.test("tools: places skip what is hidden, in both directions", async () => {
  const session = await start();
  await respond(session, [call("fc_1")]);
  const [output] = await session.sent(2);
  await session.fromUpstream({
    type: "conversation.item.added",
    previous_item_id: "fc_1",
    item: { ...output!.item as Fields, id: "fo_1" },
  });
  await begin(session, [message("m_1")], { id: "resp_2", behind: "fo_1" });
  const added = session.client.find(({ type, item }) =>
    type === "conversation.item.added" && (item as Fields).id === "m_1"
  );
  assertEquals(added?.previous_item_id, "item_user");
  const add = (previous: string | undefined) => ({
    type: "conversation.item.create",
    previous_item_id: previous,
    item: message("x"),
  });
  for (const previous of ["item_user", "m_1", undefined]) await session.fromClient(add(previous));
  assertEquals(session.upstream.slice(2).map((event) => event.previous_item_id), ["fo_1", "m_1", undefined]);
});

for (
  const fresh of [
    { type: "response.create" },
    { type: "conversation.item.create", item: { type: "message", role: "user", content: [] } },
  ]
) {
  Deno.test(`tools: a model that only calls has to answer after ten rounds, and may call again after ${fresh.type}`, async () => {
    const session = await start();
    for (let round = 1; round <= 10; round++) {
      await respond(session, [call(`fc_${round}`)], { id: `resp_${round}` });
      await session.sent(round * 2);
    }
    const requests = session.upstream.filter(({ type }) => type === "response.create");
    assertEquals(requests.map(({ response }) => response), [...Array(9).fill(undefined), { tool_choice: "none" }]);
    assertEquals(session.lines, ["openai.tools_stopped"]);
    await session.fromClient(fresh);
    await respond(session, [call("fc_11")], { id: "resp_11" });
    assertEquals((await session.sent(23)).at(-1), { type: "response.create", event_id: "relay_tools_response_22" });
  });
}

Deno.test("tools: more than eight calls at once are answered so", async () => {
  const gate = Promise.withResolvers<string>();
  const session = await start([defineTool({ ...weather, run: () => gate.promise })]);
  await respond(session, Array.from({ length: 9 }, (_, index) => call(`fc_${index}`)));
  const [refused] = await session.sent(1);
  assertEquals((refused!.item as Fields).call_id, "call_fc_8");
  assertEquals(outputs([refused!])[0].error.code, "too_many_calls");
  gate.resolve("clear");
  assertEquals((await session.sent(10)).length, 10);
});

Deno.test("tools: both sides end where OpenAI refuses the tools", async () => {
  const session = await start();
  await session.fromUpstream({ type: "error", error: { event_id: "relay_tools_session", code: "invalid_value" } });
  assertEquals([session.client, session.ended.map(([code]) => code)], [[], [4502]]);
  assertEquals(session.lines, ["openai.tools_refused"]);
});

Deno.test("tools: after a rebuild a call without an output is answered, what was answered stays hidden", async () => {
  const session = await start();
  const answered = { id: "fo_1", type: "function_call_output", call_id: "call_fc_1", output: "{}" };
  const items = [{ id: "u_1", type: "message", role: "user" }, call("fc_1"), answered, message("m_1"), call("fc_2")];
  session.stage.rebuilt!({ items, isAsked: false }, {
    toClient() {},
    end() {},
    toUpstream: (event) => session.upstream.push(event),
  });
  const sent = await session.sent(2);
  assertEquals(sent.map(({ type, item }) => [type, (item as Fields | undefined)?.call_id]), [
    ["conversation.item.create", "call_fc_2"],
    ["response.create", undefined],
  ]);
  await session.fromUpstream({ type: "conversation.item.retrieved", item: items[1] });
  await session.fromUpstream({ type: "conversation.item.retrieved", item: answered });
  assertEquals(session.client, []);
});

Deno.test("tools: where the upstream is lost while a tool runs, it is run once, and the response that was lost is not waited for", async () => {
  const answer = Promise.withResolvers<string>();
  let runs = 0;
  const session = await start([defineTool({
    ...weather,
    run: () => {
      runs++;
      return answer.promise;
    },
  })]);
  const items = [call("fc_1")];
  await respond(session, items);
  await begin(session, [message("m_1")], { id: "resp_2" });
  session.stage.rebuilt!({ items, isAsked: false }, {
    toClient() {},
    end() {},
    toUpstream: (event) => session.upstream.push(event),
  });
  answer.resolve("clear");
  const sent = await session.sent(2);
  assertEquals([runs, sent.map(({ type }) => type)], [1, ["conversation.item.create", "response.create"]]);
});

for (
  const { name, items, isAsked, asks } of [
    { name: "asks again where the last thing was an output", items: ["call", "output"], isAsked: false, asks: 1 },
    { name: "asks for nothing that is asked for already", items: ["call", "output"], isAsked: true, asks: 0 },
    { name: "asks for nothing after an answer", items: ["call", "output", "message"], isAsked: false, asks: 0 },
    {
      name: "leaves it to a client that has a call to answer",
      items: ["other", "call", "output"],
      isAsked: false,
      asks: 0,
    },
  ]
) {
  Deno.test(`tools: a rebuild ${name}`, async () => {
    const session = await start();
    const kinds: Record<string, Fields> = {
      call: call("fc_1"),
      output: { id: "fo_1", type: "function_call_output", call_id: "call_fc_1", output: "{}" },
      message: message("m_1"),
      other: call("fc_0", "ring_bell"),
    };
    const conversation = { items: items.map((kind) => kinds[kind]!), isAsked };
    session.stage.rebuilt!(conversation, {
      toClient() {},
      end() {},
      toUpstream: (event) => session.upstream.push(event),
    });
    assertEquals(session.upstream.map(({ type }) => type), Array(asks).fill("response.create"));
  });
}

const answers: { name: string; tool: Partial<ServerTool>; args?: string; output: unknown; lines?: string[] }[] = [
  { name: "text as it is", tool: { run: () => "clear" }, output: "clear" },
  { name: "nothing as null", tool: { run: () => undefined }, output: "null" },
  {
    name: "what a ToolError says",
    tool: { run: () => Promise.reject(new ToolError("No such city.")) },
    output: { error: { code: "tool_error", message: "No such city." } },
  },
  {
    name: "nothing of another error",
    tool: {
      run: () => {
        throw new Error("password=hunter2");
      },
    },
    output: { error: { code: "tool_failed", message: "The tool failed." } },
    lines: ["openai.tool_failed"],
  },
  {
    name: "what is wrong with the arguments",
    tool: {},
    args: '{"city":7}',
    output: { error: { code: "invalid_arguments", message: "city: must be of the type string" } },
  },
  {
    name: "that arguments are no JSON",
    tool: {},
    args: '{"city":',
    output: { error: { code: "invalid_arguments", message: "must be of the type object" } },
  },
  {
    name: "that arguments are missing",
    tool: {},
    args: "",
    output: { error: { code: "invalid_arguments", message: "city: must be of the type string" } },
  },
  {
    name: "that an output is too long",
    tool: { run: () => "x".repeat(65_537) },
    output: { error: { code: "tool_failed", message: "The output of the tool is too long." } },
    lines: ["openai.tool_failed"],
  },
];
for (const { name, tool, args, output, lines = [] } of answers) {
  Deno.test(`tools: the model is told ${name}`, async () => {
    const session = await start([{ ...weather, ...tool }]);
    await respond(session, [call("fc_1", "weather", args)]);
    const [sent] = await session.sent(1);
    const told = (sent!.item as { output: string }).output;
    assertEquals(typeof output === "string" ? told : JSON.parse(told), output);
    assertEquals(session.lines, lines);
  });
}

function fakeTime(): Clock & Disposable {
  const clock = install({ shouldClearNativeTimers: true });
  return Object.assign(clock, { [Symbol.dispose]: () => clock.uninstall() });
}

Deno.test("tools: one that takes too long is given up, told so, and answered once", async () => {
  using clock = fakeTime();
  const aborted: boolean[] = [];
  const late = Promise.withResolvers<string>();
  const session = await start([{
    ...weather,
    timeoutMs: 500,
    run: (_, { signal }) => {
      signal.addEventListener("abort", () => aborted.push(true));
      return late.promise;
    },
  }]);
  await respond(session, [call("fc_1")]);
  await clock.tickAsync(499);
  assertEquals([session.upstream.length, aborted], [0, []]);
  await clock.tickAsync(1);
  assertEquals(outputs(session.upstream), [{ error: { code: "tool_timeout", message: "The tool took too long." } }]);
  assertEquals([aborted, session.lines], [[true], ["openai.tool_timed_out"]]);
  late.resolve("clear");
  await clock.tickAsync(1);
  assertEquals(session.upstream.length, 2);
});

Deno.test("tools: one that is running when the client leaves hears of it, and answers nobody", async () => {
  using clock = fakeTime();
  let reached: AbortSignal | undefined;
  const session = await start([{ ...weather, run: (_, { signal }) => new Promise(() => reached = signal) }]);
  await respond(session, [call("fc_1")]);
  await clock.tickAsync(1);
  await session.stage.close?.();
  await clock.tickAsync(20_000);
  assertEquals([reached?.aborted, session.upstream, session.lines], [true, [], []]);
});

for (
  const { name, tools, message } of [
    { name: "a name with spaces", tools: [{ ...weather, name: "the weather" }], message: "a name must have 1 to 64" },
    { name: "a name given twice", tools: [weather, { ...weather }], message: "its name is given twice" },
    {
      name: "parameters that are no object",
      tools: [{ ...weather, parameters: z.string() }],
      message: "must be an object",
    },
    {
      name: "parameters without a schema",
      tools: [{ ...weather, parameters: z.date() }],
      message: "have no JSON Schema",
    },
    { name: "no time", tools: [{ ...weather, timeoutMs: 0 }], message: "timeoutMs must be > 0: current value is 0" },
  ]
) {
  Deno.test(`new ToolRegistry() refuses ${name}`, () => {
    assertThrows(() => new ToolRegistry(tools), RangeError, message);
  });
}
