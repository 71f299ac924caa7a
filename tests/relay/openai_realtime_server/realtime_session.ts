import type { Buffer } from "node:buffer";
import type { RealtimeError, RealtimeSessionCreateRequest } from "openai/resources/realtime/realtime";
// @ts-types="../../../supabase/local/realtime/ws.d.ts"
import type { WebSocket } from "ws";
import type { Closed } from "../../support/socket.ts";
import { within } from "../../support/within.ts";
import { AudioInput } from "./audio_input.ts";
import {
  ClientEvent,
  type Item,
  type ItemReference,
  type ResponseParams,
  type SessionConfig,
} from "./client_events.ts";
import { decodeAudio } from "./base64_audio.ts";
import { Conversation, type Entry, entryOf, itemOf } from "./conversation.ts";
import { ModelResponse } from "./model_response.ts";
import { Refusal, refusalOf } from "./refusal.ts";
import type { ServerEvent } from "./server_event.ts";
import { durationMs, hear } from "./speech.ts";
import { transcriptOf } from "./transcript.ts";
import { inputAudioTokens, textTokens, type Tokens } from "./usage.ts";

const { setTimeout, clearTimeout } = globalThis;

/** How a client came. */
export interface Opening {
  /** Path and query. */
  readonly address: string;
  readonly model: string;
  readonly protocols: readonly string[];
  readonly headers: Readonly<Record<string, string | undefined>>;
}

/** How sessions behave. */
export interface SessionBehaviour {
  /** After so long a session expires; default 60 minutes. */
  readonly sessionLimitMs?: number;
  /** Between two deltas of an answer; default 0. */
  readonly deltaDelayMs?: number;
  /** Awaited before `session.created`. */
  readonly ready?: Promise<unknown>;
  /** Whether the transcript of a user's audio comes behind the answer to it. Default: before. */
  readonly lateTranscripts?: boolean;
}

/** An answer that was completed, and to what. */
export interface Answered {
  readonly responseId: string;
  /** The text of the last item that the model had read. */
  readonly to: string;
  readonly text: string;
}

const SESSION_LIMIT_MS = 60 * 60_000;
const MAX_UNSENT_BYTES = 4 * 1024 * 1024;

const DEFAULTS: SessionConfig = {
  type: "realtime",
  output_modalities: ["audio"],
  instructions: "You are a stand-in.",
  tools: [],
  tool_choice: "auto",
  max_output_tokens: "inf",
  tracing: null,
  truncation: "auto",
  audio: {
    input: {
      format: { type: "audio/pcm", rate: 24_000 },
      transcription: null,
      noise_reduction: null,
      turn_detection: { type: "server_vad" },
    },
    output: { format: { type: "audio/pcm", rate: 24_000 }, voice: "alloy", speed: 1 },
  },
};

/** One session: what a client may do in it, and what a test may see of it and do to it. */
export class RealtimeSession {
  readonly id: string;
  readonly opening: Opening;
  readonly conversation = new Conversation();
  /** The client's events, whether they were taken or refused. */
  readonly received: Record<string, unknown>[] = [];
  readonly refusals: RealtimeError[] = [];
  readonly answers: Answered[] = [];
  /** As it is set now. */
  config: SessionConfig;
  readonly #socket: WebSocket;
  readonly #behaviour: SessionBehaviour;
  readonly #number: number;
  readonly #audioInput: AudioInput;
  readonly #closed = Promise.withResolvers<Closed>();
  readonly #asides = new Set<ModelResponse>();
  #lastId = 0;
  #active: ModelResponse | undefined;
  #cached: Tokens = { text: 0, audio: 0, image: 0 };
  #hasSpoken = false;
  #isCreated = false;
  /** Events that came before the session was there. */
  #early: string[] = [];
  /** What waits while the session is stalled. */
  #held: string[] | undefined;
  #expiry: ReturnType<typeof setTimeout> | undefined;

  constructor(socket: WebSocket, number: number, opening: Opening, behaviour: SessionBehaviour) {
    this.#socket = socket;
    this.#number = number;
    this.#behaviour = behaviour;
    this.opening = opening;
    this.id = this.#newId("sess");
    const audio = { ...DEFAULTS.audio, input: withDefaults(DEFAULTS.audio?.input ?? {}) };
    this.config = { ...DEFAULTS, audio, model: opening.model };
    this.#audioInput = new AudioInput({
      emit: (event) => this.#emit(event),
      newId: (prefix) => this.#newId(prefix),
      onSpeech: () => this.#heardSpeech(),
      onCommit: (audio, itemId, byVad) => this.#committed(audio, itemId, byVad),
    });
    socket.on("message", (data, isBinary) => this.#receive(data, isBinary));
    socket.on("error", () => {}); // Its `close` says the rest.
    socket.on("close", (code, reason) => this.#ended({ code, reason: String(reason) }));
    this.#create();
  }

  /** How the socket closed. */
  get closed(): Promise<Closed> {
    return within("the session's socket closes", this.#closed.promise);
  }

  get isOpen(): boolean {
    return this.#socket.readyState === this.#socket.OPEN;
  }

  /** The conversation as the model has it, one line an item: see `transcriptOf`. */
  get transcript(): string[] {
    return transcriptOf(this.conversation.entries);
  }

  /** From now on nothing is sent, until `resume`. */
  stall(): void {
    this.#held ??= [];
  }

  resume(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const text of held) this.#socket.send(text);
  }

  /** From now on nothing is read, so that what the client sends fills the buffers on the way. */
  stopReading(): void {
    this.#socket.pause();
  }

  /** Cuts the connection without a close frame. */
  drop(): void {
    this.#socket.terminate();
  }

  close(code: number, reason: string): void {
    this.#socket.close(code, reason);
  }

  /** Ends the session as one that has reached its limit. */
  expire(): void {
    const message = "Your session hit the maximum duration of 60 minutes.";
    this.#emit({
      type: "error",
      error: { type: "invalid_request_error", code: "session_expired", message, param: null },
    });
    this.#socket.close(1001, "");
  }

  /** Sends an event of the test's own. */
  tell(event: ServerEvent): void {
    this.#emit(event);
  }

  /** Goes on with an answer that waits in the middle. */
  goOn(): void {
    this.#active?.goOn();
  }

  /**
   * Sends audio of a response, in frames of `frameBytes`, as fast as it is taken, until it has sent `bytes` or the socket
   * closes; gives how much it has sent.
   */
  async flood(bytes: number, frameBytes = 20_000): Promise<number> {
    const place = { response_id: "resp_flood", item_id: "item_flood", output_index: 0, content_index: 0 };
    const frame = JSON.stringify({
      type: "response.output_audio.delta",
      event_id: "event_flood",
      ...place,
      delta: "A".repeat(frameBytes),
    });
    let sent = 0;
    while (sent < bytes && this.isOpen) {
      for (let i = 0; i < 32 && sent < bytes && this.isOpen; i++, sent += frame.length) this.#socket.send(frame);
      do await new Promise((resolve) => setTimeout(resolve, 0)); while (
        this.isOpen && this.#socket.bufferedAmount > MAX_UNSENT_BYTES
      );
    }
    return sent;
  }

  async #create(): Promise<void> {
    await this.#behaviour.ready;
    if (!this.isOpen) return;
    this.#isCreated = true;
    this.#expiry = setTimeout(() => this.expire(), this.#behaviour.sessionLimitMs ?? SESSION_LIMIT_MS);
    this.#emit({ type: "session.created", session: this.#shown });
    for (const text of this.#early.splice(0)) this.#handle(text);
  }

  #receive(data: Buffer, isBinary: boolean): void {
    if (isBinary) return this.#refuse(new Refusal("invalid_frame", "Events must be sent as text."), null);
    const text = String(data);
    if (this.#isCreated) return this.#handle(text);
    if (!text.includes("input_audio_buffer.")) return void this.#early.push(text);
    this.#refuse(new Refusal("session_not_created", "Audio cannot be sent before session.created."), null);
  }

  #handle(text: string): void {
    let event: unknown;
    try {
      event = JSON.parse(text);
    } catch {
      return this.#refuse(new Refusal("invalid_json", "We could not parse the JSON body of your event."), null);
    }
    this.received.push(event as Record<string, unknown>);
    const eventId = (event as { event_id?: unknown } | null)?.event_id;
    try {
      const parsed = ClientEvent.safeParse(event);
      if (!parsed.success) throw refusalOf(parsed.error, event);
      this.#obey(parsed.data);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.#refuse(error, typeof eventId === "string" ? eventId : null);
    }
  }

  #obey(event: ClientEvent): void {
    switch (event.type) {
      case "session.update":
        return this.#update(event.session);
      case "input_audio_buffer.append":
        return this.#audioInput.append(decodeAudio(event.audio), this.config.audio?.input?.turn_detection);
      case "input_audio_buffer.commit":
        return this.#audioInput.commit();
      case "input_audio_buffer.clear":
        this.#audioInput.clear();
        return this.#emit({ type: "input_audio_buffer.cleared" });
      case "conversation.item.create":
        return this.#addItem(entryOf(event.item, (prefix) => this.#newId(prefix)), event.previous_item_id);
      case "conversation.item.retrieve": {
        const item = itemOf(this.conversation.get(event.item_id, "retrieve"), { withAudio: true });
        return this.#emit({ type: "conversation.item.retrieved", item });
      }
      case "conversation.item.delete":
        this.conversation.delete(event.item_id);
        return this.#emit({ type: "conversation.item.deleted", item_id: event.item_id });
      case "conversation.item.truncate": {
        const { item_id, content_index, audio_end_ms } = event;
        this.conversation.truncate(item_id, audio_end_ms);
        return this.#emit({ type: "conversation.item.truncated", item_id, content_index, audio_end_ms });
      }
      case "response.create":
        return this.#respond(event.response ?? {});
      case "response.cancel":
        return this.#cancel(event.response_id);
    }
  }

  #update(change: SessionConfig): void {
    const { config } = this;
    if (change.model !== undefined && change.model !== config.model) {
      throw new Refusal("cannot_update_model", "Cannot update a session's model.", "session.model");
    }
    this.#checkVoice(change.audio?.output?.voice, "session.audio.output.voice");
    if (config.tracing && change.tracing !== undefined && !equal(change.tracing, config.tracing)) {
      throw new Refusal("cannot_update_tracing", "Cannot update a session's tracing once it is on.", "session.tracing");
    }
    this.config = {
      ...config,
      ...change,
      audio: {
        input: withDefaults({ ...config.audio?.input, ...change.audio?.input }),
        output: { ...config.audio?.output, ...change.audio?.output },
      },
    };
    this.#emit({ type: "session.updated", session: this.#shown });
  }

  #checkVoice(voice: unknown, param: string): void {
    if (voice === undefined || !this.#hasSpoken || equal(voice, this.config.audio?.output?.voice)) return;
    const message = "Cannot update a conversation's voice if assistant audio is present.";
    throw new Refusal("cannot_update_voice", message, param);
  }

  #addItem(entry: Entry, previousId?: string): void {
    const previous = this.conversation.insert(entry, previousId);
    const item = itemOf(entry);
    this.#emit({ type: "conversation.item.added", previous_item_id: previous, item });
    this.#emit({ type: "conversation.item.done", previous_item_id: previous, item });
  }

  #heardSpeech(): void {
    if (this.config.audio?.input?.turn_detection?.interrupt_response ?? true) this.#active?.cancel("turn_detected");
  }

  #committed(audio: Uint8Array, id: string, byVad: boolean): void {
    const entry: Entry = { id, type: "message", role: "user", text: hear(audio), audio, status: "completed" };
    const previous_item_id = this.conversation.entries.at(-1)?.id ?? null;
    this.#emit({ type: "input_audio_buffer.committed", previous_item_id, item_id: id });
    this.#addItem(entry);
    const transcription = this.config.audio?.input?.transcription;
    const transcribe = () => transcription && this.#transcribe(entry, transcription.model);
    if (!this.#behaviour.lateTranscripts) transcribe();
    if (byVad && (this.config.audio?.input?.turn_detection?.create_response ?? true)) {
      try {
        this.#respond({}, this.#behaviour.lateTranscripts ? transcribe : undefined);
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        this.#refuse(error, null);
      }
    } else if (this.#behaviour.lateTranscripts) setTimeout(transcribe, 0);
  }

  #transcribe(entry: Entry, model = ""): void {
    const { id: item_id, text, audio } = entry;
    entry.isTranscribed = true;
    const seconds = durationMs(audio!) / 1_000;
    const [input, output] = [inputAudioTokens(seconds * 1_000), textTokens(text)];
    const usage = model === "whisper-1" ? { type: "duration" as const, seconds } : {
      type: "tokens" as const,
      total_tokens: input + output,
      input_tokens: input,
      output_tokens: output,
      input_token_details: { text_tokens: 0, audio_tokens: input },
    };
    const place = { item_id, content_index: 0 };
    this.#emit({ type: "conversation.item.input_audio_transcription.delta", ...place, delta: text });
    this.#emit({ type: "conversation.item.input_audio_transcription.completed", ...place, transcript: text, usage });
  }

  #respond(params: ResponseParams, onDone: () => void = () => {}): void {
    const isAside = params.conversation === "none";
    if (!isAside && this.#active) {
      const wait = "Wait until the response is finished before creating a new one.";
      const message = `Conversation already has an active response in progress: ${this.#active.id}. ${wait}`;
      throw new Refusal("conversation_already_has_active_response", message);
    }
    this.#checkVoice(params.audio?.output?.voice, "response.audio.output.voice");
    const context = params.input?.map((item) => this.#resolve(item)) ?? [...this.conversation.entries];
    const response = new ModelResponse({
      emit: (event) => this.#emit(event),
      newId: (prefix) => this.#newId(prefix),
      conversationId: `conv_${this.#number}`,
      settings: {
        ...this.config,
        ...params,
        audio: { output: { ...this.config.audio?.output, ...params.audio?.output } },
      },
      context,
      ...!isAside && { insert: (entry: Entry) => this.conversation.insert(entry) },
      cached: this.#cached,
      deltaDelayMs: this.#behaviour.deltaDelayMs ?? 0,
      onDone: ({ id, entry, tokens }) => {
        this.#asides.delete(response);
        if (!isAside) [this.#active, this.#cached] = [undefined, tokens];
        if (entry.status === "completed") {
          this.answers.push({ responseId: id, to: context.at(-1)?.text ?? "", text: entry.text });
        }
        setTimeout(onDone, 0);
      },
    });
    if (isAside) this.#asides.add(response);
    else this.#active = response;
    if (response.speaks) this.#hasSpoken = true;
    response.start();
  }

  #resolve(item: Item | ItemReference): Entry {
    if (item.type === "item_reference") return this.conversation.get(item.id, "retrieve");
    return entryOf(item, (prefix) => this.#newId(prefix));
  }

  #cancel(id: string | undefined): void {
    const running = [...this.#active ? [this.#active] : [], ...this.#asides];
    const response = id === undefined ? this.#active : running.find((response) => response.id === id);
    if (response) return response.cancel("client_cancelled");
    throw new Refusal("response_cancel_not_active", "Cancellation failed: no active response found");
  }

  #ended(closed: Closed): void {
    clearTimeout(this.#expiry);
    for (const response of this.#asides) response.abandon();
    this.#active?.abandon();
    this.#closed.resolve(closed);
  }

  #refuse(refusal: Refusal, eventId: string | null): void {
    const error = refusal.toError(eventId);
    this.refusals.push(error);
    this.#emit({ type: "error", error });
  }

  #emit(event: ServerEvent): void {
    if (!this.isOpen) return;
    const { type, ...rest } = event;
    const text = JSON.stringify({ type, event_id: this.#newId("event"), ...rest });
    if (this.#held) this.#held.push(text);
    else this.#socket.send(text);
  }

  get #shown(): RealtimeSessionCreateRequest {
    const expiresAt = Math.floor(Date.now() / 1_000) + SESSION_LIMIT_MS / 1_000;
    const shown = { ...this.config, object: "realtime.session", id: this.id, expires_at: expiresAt };
    // The published type lacks what comes with it, and the `null` that it documents for `noise_reduction` and its like.
    return shown as RealtimeSessionCreateRequest;
  }

  #newId(prefix: string): string {
    return `${prefix}_${this.#number}_${++this.#lastId}`;
  }
}

type InputConfig = NonNullable<NonNullable<SessionConfig["audio"]>["input"]>;

/** What was left open of the detection of turns, as `session.updated` shows it. */
function withDefaults({ turn_detection: given, ...input }: InputConfig): InputConfig {
  const both = { create_response: true, interrupt_response: true };
  const server = { ...both, threshold: 0.5, prefix_padding_ms: 300, silence_duration_ms: 500, idle_timeout_ms: null };
  if (given?.type === "server_vad") return { ...input, turn_detection: { ...server, ...given } };
  if (given?.type === "semantic_vad") return { ...input, turn_detection: { ...both, eagerness: "auto", ...given } };
  return { ...input, turn_detection: given };
}

function equal(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
