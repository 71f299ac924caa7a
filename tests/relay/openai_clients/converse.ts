import type {
  RealtimeClientEvent,
  RealtimeConversationItemFunctionCall,
  RealtimeServerEvent,
} from "openai/resources/realtime/realtime";
import { eventually } from "../../support/eventually.ts";
import { encodeAudio } from "../openai_realtime_server/base64_audio.ts";
import { silence, speak } from "../openai_realtime_server/speech.ts";
import type { Place } from "./client_driver.ts";
import type { ConversingClient, OpenClient } from "./conversing_client.ts";
import { ConversationView } from "./conversation_view.ts";
import { openReconnecting } from "./open_reconnecting.ts";

/** What a client has of a conversation at its end. */
export interface Conversed {
  readonly transcript: string[];
  /** How often it had to connect again, by the code of the close. */
  readonly reconnects: Readonly<Record<number, number>>;
  /** What the client or the server has reported, but for what may happen when a connection is lost. */
  readonly errors: readonly string[];
}

/** What the turns of a conversation are, one after the other and again: written, with a function, spoken, cut off. */
const KINDS = ["text", "call", "speech", "cut"] as const;
type Kind = typeof KINDS[number];

/** The answer of which a `cut` turn hears no more than `1 2`. */
const WAITING = "count to 6 and wait";
const DELTAS_BEFORE_WAIT = 3;
const HEARD_MS = 60;
const PROBE = "probe";
const DONE = 1000;
/** What a turn that goes on behind a lost connection may be told: it has ended already, or its speech is to be spoken again. */
const OF_REPEATED_TURNS: ReadonlySet<string> = new Set([
  "response_cancel_not_active",
  "response_lost",
  "response_unconfirmed",
]);
/**
 * What the client says of a connection that is refused or breaks off, of which a browser gives no message, and of an event for one that
 * ends: it comes back, and sends it again.
 */
const OF_LOST_CONNECTIONS: ReadonlySet<string> = new Set([
  "unknown error",
  "WebSocket error",
  "cannot send on a closed WebSocket",
  "send queue is full, message discarded",
]);
const TOOLS = [{ type: "function" as const, name: "clock", parameters: { type: "object", properties: {} } }];
/** How long a turn may take, with every connection that it loses. */
const TURN_DEADLINE_MS = 30_000;

/** A turn's question. Those of one conversation differ. */
export function questionOf(turn: number): string {
  const questions: Record<Kind, string> = {
    text: `turn ${turn}`,
    call: `turn ${turn}: use clock with {"turn":${turn}}`,
    speech: `turn ${turn}, spoken`,
    cut: `turn ${turn}: ${WAITING}`,
  };
  return questions[kindOf(turn)];
}

export function kindOf(turn: number): Kind {
  return KINDS[turn % KINDS.length]!;
}

/** How a conversation is held. */
export interface ConverseOptions {
  /** Default: none. */
  readonly deadlineMs?: number;
  /** Default: the client of the package `openai`. */
  readonly open?: OpenClient;
}

/**
 * Holds a conversation by a client that comes back, as an application does that means to have every question answered once: it knows
 * from the server's events how far a turn has come, and after a lost connection it goes on from there. Fails after the deadline, or
 * where one turn takes too long, and says how far it has come.
 */
export async function converse(place: Place, turns: number, options: ConverseOptions = {}): Promise<Conversed> {
  const { deadlineMs = Infinity, open = openReconnecting } = options;
  const conversation = new RunningConversation(place, open, performance.now() + deadlineMs);
  for (let turn = 0; turn < turns; turn++) await conversation.take(turn);
  return conversation.close();
}

class RunningConversation {
  readonly #client: ConversingClient;
  readonly #view = new ConversationView();
  readonly #errors: string[] = [];
  readonly #reconnects: Record<number, number> = {};
  /** Whether the connection stands, and the client has been told what it may have missed. */
  #isReady = false;
  #isOpen = false;
  #connections = 0;
  /** Responses that run now, and how many deltas of audio the last had. */
  readonly #active = new Set<string>();
  #deltas = 0;
  readonly #deadline: number;
  #turn = 0;
  readonly #ended = new Set<string>();
  /** Answers that have been cut, or can be cut no more. */
  readonly #cut = new Set<string>();

  constructor(place: Place, open: OpenClient, deadline: number) {
    this.#deadline = deadline;
    this.#client = open(place, {
      event: (event) => this.#hear(event),
      error: (message) => {
        if (!OF_LOST_CONNECTIONS.has(message)) this.#errors.push(message);
      },
      closed: (code, reason) => {
        if (code !== DONE) this.#errors.push(`closed for good: ${code} ${reason}`);
      },
      lost: (code) => {
        // Told of each attempt.
        if (this.#isOpen) this.#reconnects[code] = (this.#reconnects[code] ?? 0) + 1;
        this.#isOpen = false;
        this.#isReady = false;
        this.#active.clear();
      },
    });
  }

  /** Asks, and goes on until the answer has come. */
  async take(turn: number): Promise<void> {
    this.#turn = turn;
    const deadline = Math.min(this.#deadline, performance.now() + TURN_DEADLINE_MS);
    while (performance.now() < deadline) {
      await this.#until("the session is there", () => this.#isReady);
      const step = this.#nextStep(turn);
      if (step === undefined) return;
      const connection = this.#connections;
      const isDone = step();
      await this.#until(`turn ${turn} goes on`, () => !this.#isReady || this.#connections !== connection || isDone());
    }
    throw new Error(`Turn ${turn} has no answer: ${this.#state()}`);
  }

  async close(): Promise<Conversed> {
    // A hand-over that waits for the end of the last turn comes before the close, or not at all.
    await this.#until("the session is there", () => this.#isReady);
    this.#client.close();
    return { transcript: this.#view.transcript, reconnects: this.#reconnects, errors: [...this.#errors] };
  }

  /** What is to be done next for a turn: it is done, and says by what it gives whether that has come to something. */
  #nextStep(turn: number): (() => () => boolean) | undefined {
    const question = questionOf(turn);
    const kind = kindOf(turn);
    const behind = this.#view.behind(question);
    if (behind === undefined) return () => kind === "speech" ? this.#speak(question) : this.#say(question);
    if (this.#active.size > 0 && kind !== "cut") return () => () => this.#active.size === 0;
    const last = behind.at(-1);
    if (last?.type === "function_call") return () => this.#give(last);
    const isAnswer = last !== undefined && "role" in last && last.role === "assistant";
    if (kind === "cut") {
      if (!isAnswer || (last.status === "in_progress" && this.#active.size === 0)) return () => this.#ask("audio");
      if (this.#cut.has(last.id!)) return undefined;
      return () => this.#cutOff(last.id!);
    }
    return isAnswer ? undefined : () => this.#ask("text");
  }

  #say(text: string): () => boolean {
    const content = [{ type: "input_text" as const, text }];
    this.#send({ type: "conversation.item.create", item: { type: "message", role: "user", content } });
    return () => this.#view.behind(text) !== undefined;
  }

  #speak(text: string): () => boolean {
    const ended = this.#ended.size;
    for (const audio of [speak(text), silence(600)]) {
      this.#send({ type: "input_audio_buffer.append", audio: encodeAudio(audio) });
    }
    return () => this.#view.behind(text) !== undefined && this.#ended.size > ended;
  }

  #give({ call_id, arguments: args }: RealtimeConversationItemFunctionCall): () => boolean {
    const { length } = this.#view.transcript;
    const item = { type: "function_call_output" as const, call_id: call_id!, output: `noon of ${args}` };
    this.#send({ type: "conversation.item.create", item });
    return () => this.#view.transcript.length > length;
  }

  #ask(modality: "text" | "audio"): () => boolean {
    const ended = this.#ended.size;
    this.#deltas = 0;
    this.#send({ type: "response.create", response: { output_modalities: [modality] } });
    return () => this.#ended.size > ended || this.#deltas >= DELTAS_BEFORE_WAIT;
  }

  #cutOff(itemId: string): () => boolean {
    if (this.#active.size > 0 && this.#deltas < DELTAS_BEFORE_WAIT) return () => this.#deltas >= DELTAS_BEFORE_WAIT;
    if (this.#active.size > 0) this.#send({ type: "response.cancel" });
    const cut = {
      type: "conversation.item.truncate" as const,
      item_id: itemId,
      content_index: 0,
      audio_end_ms: HEARD_MS,
    };
    this.#send({ ...cut, event_id: `cut_${itemId}` });
    return () => this.#cut.has(itemId) && this.#active.size === 0;
  }

  #send(event: RealtimeClientEvent): void {
    this.#client.send(event);
  }

  #hear(event: RealtimeServerEvent): void {
    this.#view.take(event);
    switch (event.type) {
      case "session.created":
        this.#connections++;
        this.#isOpen = true;
        this.#configure();
        return;
      case "response.created":
        this.#active.add(event.response.id!);
        this.#deltas = 0;
        return;
      case "response.output_audio.delta":
        this.#deltas++;
        return;
      case "response.done":
        this.#active.delete(event.response.id!);
        this.#ended.add(event.response.id!);
        return;
      case "conversation.item.truncated":
        this.#cut.add(event.item_id);
        return;
      case "error":
        // What refuses a connection, as an isolate that ends does, is not of OpenAI's shape: its close says the same.
        if (event.error !== undefined) this.#refused(event.error);
        return;
    }
  }

  /** The answer to the probe comes behind all that a session which goes on has to tell. */
  #configure(): void {
    this.#send({
      type: "session.update",
      session: {
        type: "realtime",
        tools: TOOLS,
        audio: { input: { transcription: { model: "whisper-1" } } },
      },
    });
    this.#send({ type: "conversation.item.retrieve", item_id: PROBE, event_id: PROBE });
  }

  #refused({ code, message, event_id: id }: { code?: string | null; message: string; event_id?: string | null }): void {
    if (id === PROBE) this.#isReady = true;
    // What was cut off was asked for again; what was said became text, which is not cut.
    else if (id?.startsWith("cut_")) this.#cut.add(id.slice(4));
    else if (!OF_REPEATED_TURNS.has(code ?? "")) {
      this.#errors.push(`${code}: ${message}`);
    }
  }

  async #until(what: string, isSo: () => boolean): Promise<void> {
    const deadlineMs = Math.min(TURN_DEADLINE_MS, this.#deadline - performance.now());
    try {
      await eventually(what, isSo, { deadlineMs, everyMs: 2 });
    } catch (error) {
      throw new Error(`Turn ${this.#turn}, ${what}: ${this.#state()}`, { cause: error });
    }
  }

  #state(): string {
    return JSON.stringify({
      ready: this.#isReady,
      connections: this.#connections,
      reconnects: this.#reconnects,
      active: [...this.#active],
      errors: this.#errors,
      said: this.#view.transcript.slice(-6),
    });
  }
}
