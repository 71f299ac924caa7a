import { type Log, log as defaultLog } from "../../telemetry/log.ts";
import { answerCall, failure } from "./answer_call.ts";
import { HiddenItems } from "./hidden_items.ts";
import { refusalEvent } from "./refusal_event.ts";
import type { ToolRegistry } from "./server_tool.ts";
import type {
  CreateStage,
  Passed,
  RealtimeEvent,
  RebuiltConversation,
  SessionInfo,
  Stage,
  StageOutput,
} from "./stage.ts";

type Fields = Readonly<Record<string, unknown>>;

/** The ids of the events that are sent upstream for the tools begin with these. */
const SESSION_ID = "relay_tools_session";
const OUTPUT_ID = "relay_tools_output_";
const RESPONSE_ID = "relay_tools_response_";
/** How many calls of a session may run at once; those beyond are answered so. */
const MAX_RUNNING = 8;
/** How often in a row the model may call instead of answering; then it has to answer. */
const MAX_ROUNDS = 10;
/** How many requests of a client for a response may wait for outputs; those beyond go on at once. */
const MAX_HELD = 16;

/**
 * The stage that answers calls to tools of the server.
 *
 * The tools are declared in the session, and in each response that has tools of its own, beside those of the client. A call
 * to one is run when the model has said all of its arguments; its output goes into the conversation, and once the
 * response has ended and every call of it is answered, the next response is asked for, unless the client has calls of its own
 * to answer there: then its own `response.create` waits for the outputs that are still due.
 *
 * The client sees none of it: neither tools nor calls, arguments or outputs, and `previous_item_id` skips them in both
 * directions. It sees the responses themselves, and their usage.
 */
export function toolsStages(registry: ToolRegistry, { log = defaultLog }: { readonly log?: Log } = {}): CreateStage {
  return (info) => new ToolsStage(registry, info, log);
}

class ToolsStage implements Stage {
  readonly serverEvents: ReadonlySet<string> = new Set([
    "session.created",
    "session.updated",
    "conversation.item.added",
    "conversation.item.created",
    "conversation.item.done",
    "conversation.item.retrieved",
    "error",
    "input_audio_buffer.committed",
    "response.created",
    "response.done",
    "response.function_call_arguments.delta",
    "response.function_call_arguments.done",
    "response.output_item.added",
    "response.output_item.done",
  ]);
  readonly #registry: ToolRegistry;
  readonly #info: SessionInfo;
  readonly #log: Log;
  readonly #hidden = new HiddenItems();
  /** The ids of calls that are the server's to answer. */
  readonly #calls = new Set<unknown>();
  readonly #ending = new AbortController();
  /** The ids of calls whose output has not been sent. */
  readonly #running = new Set<string>();
  /** The ids of calls that were answered here: the output may still be on its way into a conversation that is rebuilt. */
  readonly #answered = new Set<unknown>();
  /** The responses that are under way, by their ids. */
  readonly #active = new Map<unknown, ActiveResponse>();
  /** Whether the model has to be asked to go on, once it can be. */
  #isOwed = false;
  /** Requests of the client for a response, which wait for outputs. */
  #held: RealtimeEvent[] = [];
  #rounds = 0;
  #isDeclared = false;
  #sent = 0;

  constructor(registry: ToolRegistry, info: SessionInfo, log: Log) {
    this.#registry = registry;
    this.#info = info;
    this.#log = log;
  }

  open(output: StageOutput): void {
    // A session that was set up by another stage has them already.
    if (this.#isDeclared) return;
    this.#isDeclared = true;
    const session = { type: "realtime", tools: this.#registry.declarations };
    output.toUpstream({ type: "session.update", event_id: SESSION_ID, session });
  }

  rebuilt({ items, isAsked }: RebuiltConversation, output: StageOutput): void {
    // Those of the upstream before are over, whatever became of them.
    this.#active.clear();
    let previous: string | null = null;
    for (const item of items) {
      if (this.#isOwn(item)) this.#hide(item, previous);
      previous = item.id as string;
    }
    const outputs = items.filter(({ type }) => type === "function_call_output").map(({ call_id: id }) => id);
    const answered = new Set([...outputs, ...this.#answered]);
    const open = items.filter(({ type, call_id: id }) => type === "function_call" && !answered.has(id));
    const own = open.filter((item) => this.#isOwn(item));
    const last = object(items.at(-1));
    const hasNews = own.length > 0 || (!isAsked && last.type === "function_call_output" && this.#isOwn(last));
    this.#isOwed = hasNews && own.length === open.length;
    for (const item of own) if (!this.#running.has(item.call_id as string)) this.#run(item, output);
    this.#goOn(output);
  }

  hides(item: Fields): boolean {
    return this.#isOwn(item);
  }

  fromClient(event: RealtimeEvent, output: StageOutput): Passed {
    switch (event.type) {
      case "session.update":
        return this.#update(event);
      case "response.create":
        return this.#create(event);
      case "conversation.item.create":
        return this.#add(event, output);
      default:
        return event;
    }
  }

  fromUpstream(event: RealtimeEvent, output: StageOutput): Passed {
    switch (event.type) {
      case "session.created":
      case "session.updated":
        return this.#withoutTools(event);
      case "conversation.item.added":
      case "conversation.item.created":
      case "conversation.item.done":
        return this.#item(event);
      case "response.output_item.added":
      case "response.output_item.done":
        return this.#outputItem(event, output);
      case "response.function_call_arguments.delta":
      case "response.function_call_arguments.done":
        return this.#hidden.has(event.item_id) ? undefined : event;
      case "conversation.item.retrieved":
        return this.#isOwn(object(event.item)) ? undefined : event;
      case "input_audio_buffer.committed":
        this.#rounds = 0;
        return this.#hidden.toClient(event);
      case "response.created":
        return this.#responseCreated(event);
      case "response.done":
        return this.#responseDone(event, output);
      default:
        return this.#error(event, output);
    }
  }

  close(): void {
    this.#ending.abort();
  }

  #update(event: RealtimeEvent): RealtimeEvent {
    const session = object(event.session);
    if (this.#isDeclared && session.tools === undefined) return event;
    this.#isDeclared = true;
    return { ...event, session: { ...session, tools: this.#withOwn(session.tools) } };
  }

  #create(event: RealtimeEvent): Passed {
    this.#rounds = 0;
    const response = object(event.response);
    const request = Array.isArray(response.tools)
      ? { ...event, response: { ...response, tools: this.#withOwn(response.tools) } }
      : event;
    if (response.conversation === "none") return request;
    // While a response is under way OpenAI refuses the next, as it does on a direct connection.
    if (this.#running.size > 0 && !this.#isActive && this.#held.length < MAX_HELD) return void this.#held.push(request);
    this.#isOwed = false;
    return request;
  }

  #add(event: RealtimeEvent, output: StageOutput): Passed {
    const item = object(event.item);
    // Else a client could have a tool run with arguments of its own, or answer in its place.
    if (this.#isOwn(item)) {
      const message = "Calls to tools of the server, and their outputs, are not the client's to add.";
      output.toClient(refusalEvent({ code: "item_not_allowed", message, param: "item" }, event));
      return;
    }
    if (item.role === "user") this.#rounds = 0;
    return this.#hidden.toUpstream(event);
  }

  #withOwn(tools: unknown): readonly unknown[] {
    const others = Array.isArray(tools) ? tools.filter((tool) => !this.#isTool(tool)) : [];
    return [...others, ...this.#registry.declarations];
  }

  #withoutTools(event: RealtimeEvent): RealtimeEvent {
    const session = object(event.session);
    if (!Array.isArray(session.tools)) return event;
    return { ...event, session: { ...session, tools: session.tools.filter((tool) => !this.#isTool(tool)) } };
  }

  #item(event: RealtimeEvent): Passed {
    const item = object(event.item);
    if (!this.#isOwn(item)) return this.#hidden.toClient(event);
    this.#hide(item, event.previous_item_id as string | null | undefined);
  }

  #outputItem(event: RealtimeEvent, output: StageOutput): Passed {
    const item = object(event.item);
    const response = this.#active.get(event.response_id);
    if (!this.#isOwn(item)) {
      if (response && item.type === "function_call") response.hasOtherCalls = true;
      return event;
    }
    this.#hide(item);
    // What is called outside the conversation cannot be answered in it.
    if (event.type === "response.output_item.done" && item.status === "completed" && response?.isInConversation) {
      response.hasOwnCalls = true;
      this.#run(item, output);
    }
  }

  #responseCreated(event: RealtimeEvent): RealtimeEvent {
    const { id, conversation_id: conversation } = object(event.response);
    this.#active.set(id, { isInConversation: conversation !== null, hasOwnCalls: false, hasOtherCalls: false });
    return event;
  }

  #responseDone(event: RealtimeEvent, output: StageOutput): Passed {
    const response = object(event.response);
    const ended = this.#active.get(response.id);
    this.#active.delete(response.id);
    // Where somebody broke in, what comes next is theirs to say.
    if (ended?.hasOwnCalls && !ended.hasOtherCalls && response.status === "completed") this.#isOwed = true;
    this.#goOn(output);
    const items: readonly Fields[] = Array.isArray(response.output) ? response.output : [];
    const shown = items.filter((item) => !this.#isOwn(object(item)));
    return shown.length === items.length ? event : { ...event, response: { ...response, output: shown } };
  }

  #error(event: RealtimeEvent, output: StageOutput): Passed {
    const { event_id: id, code, message } = object(event.error);
    if (typeof id !== "string" || ![SESSION_ID, OUTPUT_ID, RESPONSE_ID].some((own) => id.startsWith(own))) return event;
    if (id.startsWith(RESPONSE_ID) && code === "conversation_already_has_active_response") {
      this.#isOwed = true;
      this.#goOn(output);
      return;
    }
    this.#log.error("openai.tools_refused", { code, message });
    if (id === SESSION_ID) output.end(4502, "upstream_failed: The session could not be set up");
  }

  #run(item: Fields, output: StageOutput): void {
    const { userId, sessionId } = this.#info;
    const callId = String(item.call_id);
    const tool = this.#registry.get(item.name)!;
    const { signal } = this.#ending;
    const answer = this.#running.size < MAX_RUNNING
      ? answerCall(tool, item.arguments, { userId, sessionId, callId, signal, log: this.#log })
      : Promise.resolve(failure("too_many_calls", "Too many tools are running; call again later."));
    this.#running.add(callId);
    answer.then((text) => {
      this.#running.delete(callId);
      if (signal.aborted) return;
      this.#answered.add(callId);
      const answerItem = { type: "function_call_output", call_id: callId, output: text };
      output.toUpstream({ type: "conversation.item.create", event_id: this.#nextId(OUTPUT_ID), item: answerItem });
      this.#goOn(output);
    });
  }

  /** Asks for the next response where every output is there: as the client wished it, or by itself. */
  #goOn(output: StageOutput): void {
    if (this.#running.size > 0) return;
    const held = this.#held;
    this.#held = [];
    if (held.length > 0) this.#isOwed = false;
    for (const request of held) output.toUpstream(request);
    if (!this.#isOwed || this.#isActive) return;
    this.#isOwed = false;
    const isLast = ++this.#rounds >= MAX_ROUNDS;
    if (isLast) this.#log.warn("openai.tools_stopped", { rounds: this.#rounds });
    output.toUpstream({
      type: "response.create",
      event_id: this.#nextId(RESPONSE_ID),
      ...isLast && { response: { tool_choice: "none" } },
    });
  }

  /** Whether OpenAI would refuse another response in the conversation. */
  get #isActive(): boolean {
    return [...this.#active.values()].some(({ isInConversation }) => isInConversation);
  }

  #isTool(tool: unknown): boolean {
    return this.#registry.get(object(tool).name) !== undefined;
  }

  #isOwn(item: Fields): boolean {
    if (item.type === "function_call") return this.#isTool(item);
    return item.type === "function_call_output" && this.#calls.has(item.call_id);
  }

  #hide(item: Fields, previousId?: string | null): void {
    this.#hidden.add(item.id as string, previousId);
    if (item.type === "function_call") this.#calls.add(item.call_id);
  }

  #nextId(prefix: string): string {
    return `${prefix}${++this.#sent}`;
  }
}

/** A response that is under way. */
interface ActiveResponse {
  readonly isInConversation: boolean;
  hasOwnCalls: boolean;
  hasOtherCalls: boolean;
}

function object(value: unknown): Fields {
  return typeof value === "object" && value !== null ? value as Fields : {};
}
