import type { RealtimeResponse, RealtimeResponseStatus } from "openai/resources/realtime/realtime";
import { type Answer, answer } from "./answer.ts";
import type { ResponseParams, SessionConfig } from "./client_events.ts";
import { encodeAudio } from "./base64_audio.ts";
import { type Entry, itemOf } from "./conversation.ts";
import type { Emit, NewId, ServerEvent } from "./server_event.ts";
import { durationMs, speak } from "./speech.ts";
import { contextTokens, outputTokens, textTokens, type Tokens, usageOf } from "./usage.ts";

// As it is when this is loaded: a test that puts fake timers in its place still gets its answers.
const { setTimeout, clearTimeout } = globalThis;

/** What a response works with. */
export interface ResponseOptions {
  readonly emit: Emit;
  readonly newId: NewId;
  readonly conversationId: string;
  /** The session's settings with the response's own above them. */
  readonly settings: SessionConfig & ResponseParams;
  /** What the model reads. */
  readonly context: readonly Entry[];
  /** Puts the answer into the conversation, and gives the id of the item before it; left out where it goes nowhere. */
  readonly insert?: (entry: Entry) => string | null;
  /** The tokens that were read or said before, in this session. */
  readonly cached: Tokens;
  /** Between two deltas. */
  readonly deltaDelayMs: number;
  readonly onDone: (response: ModelResponse) => void;
}

/** One response, from `response.created` to `response.done`: the answer in deltas, one a word, with its audio where that is asked for. */
export class ModelResponse {
  readonly id: string;
  readonly entry: Entry;
  /** All that the next response finds read. */
  tokens: Tokens;
  readonly #options: ResponseOptions;
  readonly #answer: Answer;
  readonly #isAudio: boolean;
  #previousId: string | null = null;
  #isDone = false;
  #goOn: PromiseWithResolvers<void> | undefined;
  #delay: ReturnType<typeof setTimeout> | undefined;

  constructor(options: ResponseOptions) {
    const { newId, settings, context } = options;
    this.#options = options;
    this.id = newId("resp");
    this.#answer = answer(context, settings);
    this.#isAudio = settings.output_modalities?.[0] !== "text" && this.#answer.kind === "message";
    this.tokens = contextTokens(context, `${settings.instructions ?? ""}${JSON.stringify(settings.tools ?? [])}`);
    this.entry = this.#answer.kind === "call"
      ? { ...this.#newEntry(), type: "function_call", name: this.#answer.name, callId: newId("call") }
      : { ...this.#newEntry(), type: "message", role: "assistant", ...this.#isAudio && { audio: new Uint8Array(0) } };
  }

  get speaks(): boolean {
    return this.#isAudio;
  }

  /** Begins to answer; it has ended when `onDone` is called. */
  start(): void {
    const { emit, insert } = this.#options;
    emit({ type: "response.created", response: this.#response("in_progress") });
    emit({ type: "rate_limits.updated", rate_limits: RATE_LIMITS });
    const item = itemOf(this.entry);
    this.#previousId = insert?.(this.entry) ?? null;
    emit({ type: "response.output_item.added", response_id: this.id, output_index: 0, item });
    if (insert) emit({ type: "conversation.item.added", previous_item_id: this.#previousId, item });
    if (this.#answer.kind === "message") {
      const part = this.#isAudio ? { type: "audio", transcript: "" } as const : { type: "text", text: "" } as const;
      emit({ type: "response.content_part.added", ...this.#place, part });
    }
    this.#stream();
  }

  /** Ends it where it is. Does nothing once it has ended. */
  cancel(reason: "client_cancelled" | "turn_detected"): void {
    this.#end("cancelled", { type: "cancelled", reason });
  }

  /** Goes on with an answer that waits in the middle. */
  goOn(): void {
    this.#goOn?.resolve();
  }

  /** Says no more, not even that it has ended: its session is gone. */
  abandon(): void {
    this.#isDone = true;
    clearTimeout(this.#delay);
    this.#goOn?.resolve();
  }

  async #stream(): Promise<void> {
    const words = this.#answer.kind === "call" ? [this.#answer.arguments] : this.#answer.text.match(/\S+\s*/g) ?? [];
    const { deltaDelayMs, settings: { max_output_tokens: limit = "inf" } } = this.#options;
    for (const [index, word] of words.entries()) {
      await new Promise((resolve) => this.#delay = setTimeout(resolve, deltaDelayMs));
      if (this.#answer.kind === "message" && this.#answer.waits && index * 2 >= words.length) {
        await (this.#goOn ??= Promise.withResolvers()).promise;
      }
      if (this.#isDone) return;
      if (limit !== "inf" && textTokens(this.entry.text + word) > limit) {
        return this.#end("incomplete", { type: "incomplete", reason: "max_output_tokens" });
      }
      this.#say(word);
    }
    this.#end("completed", { type: "completed" });
  }

  #say(delta: string): void {
    const { emit } = this.#options;
    this.entry.text += delta;
    if (this.#answer.kind === "call") {
      return emit({ type: "response.function_call_arguments.delta", ...this.#callPlace, delta });
    }
    if (!this.#isAudio) return emit({ type: "response.output_text.delta", ...this.#place, delta });
    const audio = speak(delta);
    this.entry.audio = speak(this.entry.text);
    emit({ type: "response.output_audio_transcript.delta", ...this.#place, delta });
    emit({ type: "response.output_audio.delta", ...this.#place, delta: encodeAudio(audio) });
  }

  #end(status: "completed" | "cancelled" | "incomplete", details: RealtimeResponseStatus): void {
    if (this.#isDone) return;
    this.#isDone = true;
    this.#goOn?.resolve();
    const { emit, insert, cached, onDone } = this.#options;
    const { entry } = this;
    entry.status = status === "completed" ? "completed" : "incomplete";
    for (const event of this.#lastParts()) emit(event);
    const item = itemOf(entry);
    emit({ type: "response.output_item.done", response_id: this.id, output_index: 0, item });
    if (insert) emit({ type: "conversation.item.done", previous_item_id: this.#previousId, item });
    const output = outputTokens(entry.text, entry.audio ? durationMs(entry.audio) : 0);
    const input = this.tokens;
    this.tokens = { text: input.text + output.text, audio: input.audio + output.audio, image: input.image };
    // The session is ready for the next response when the client hears of the end of this one.
    onDone(this);
    emit({
      type: "response.done",
      response: {
        ...this.#response(status),
        status_details: details,
        output: [item],
        usage: usageOf(input, cached, output),
      },
    });
  }

  #lastParts(): ServerEvent[] {
    const { text } = this.entry;
    if (this.#answer.kind === "call") {
      const { name } = this.#answer;
      return [{ type: "response.function_call_arguments.done", ...this.#callPlace, name, arguments: text }];
    }
    if (!this.#isAudio) {
      return [
        { type: "response.output_text.done", ...this.#place, text },
        { type: "response.content_part.done", ...this.#place, part: { type: "text", text } },
      ];
    }
    return [
      { type: "response.output_audio.done", ...this.#place },
      { type: "response.output_audio_transcript.done", ...this.#place, transcript: text },
      { type: "response.content_part.done", ...this.#place, part: { type: "audio", transcript: text } },
    ];
  }

  get #place() {
    return { response_id: this.id, item_id: this.entry.id, output_index: 0, content_index: 0 };
  }

  get #callPlace() {
    return { response_id: this.id, item_id: this.entry.id, output_index: 0, call_id: this.entry.callId! };
  }

  #newEntry(): Pick<Entry, "id" | "text" | "status"> {
    return { id: this.#options.newId("item"), text: "", status: "in_progress" };
  }

  #response(status: RealtimeResponse["status"]): RealtimeResponse {
    const { conversationId, insert, settings } = this.#options;
    return {
      object: "realtime.response",
      id: this.id,
      status,
      output: [],
      // Null, which the published type lacks though it documents it, where the answer is no part of the conversation.
      conversation_id: insert ? conversationId : null as unknown as undefined,
      output_modalities: settings.output_modalities,
      max_output_tokens: settings.max_output_tokens ?? "inf",
      audio: { output: { format: settings.audio?.output?.format } },
      metadata: settings.metadata ?? null,
    };
  }
}

const RATE_LIMITS = [
  { name: "requests" as const, limit: 1_000, remaining: 999, reset_seconds: 60 },
  { name: "tokens" as const, limit: 50_000, remaining: 49_950, reset_seconds: 60 },
];
