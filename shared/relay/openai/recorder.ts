import { holdsMedia } from "./holds_media.ts";
import { mergeConfig } from "./merge_config.ts";
import { MAX_RETRIES } from "./plan_rebuild.ts";
import { rebuildItem, truncateMessage } from "./rebuild_item.ts";
import { type ConversationLimits, RecordedConversation } from "./recorded_conversation.ts";
import type { DueResponse, SessionChanges, SessionRecord } from "./session_store.ts";
import { SessionWriter, type SessionWriterOptions } from "./session_writer.ts";
import type { Passed, RealtimeEvent, Stage, StageOutput } from "./stage.ts";

/** What a recorder is made of. */
export interface RecorderOptions extends SessionWriterOptions {
  readonly limits: ConversationLimits;
}

type Json = Readonly<Record<string, unknown>>;

/** An event that is longer is not kept to be asked, or told, again. */
const MAX_KEPT_LENGTH = 64 * 1024;
/** Responses that may be due at once; what is asked for beyond that is not asked for again. */
const MAX_DUE = 16;
/** Begins the ids of events that had none: their answers are told apart by it, and clients are not shown it. */
const OWN_ID = "relay_recorded_";
/** The bytes of a millisecond of audio, by the type of its format. */
const BYTES_PER_MS: Readonly<Record<string, number>> = { "audio/pcm": 48, "audio/pcmu": 8, "audio/pcma": 8 };

/** How an item is asked for in one go: with all that is known of it, whatever event it came by. */
interface ItemEvent extends RealtimeEvent {
  readonly item: Json & { readonly id: string };
  readonly previous_item_id?: string | null;
  readonly response_id?: string;
}

/**
 * The stage next to the upstream, which records what a conversation can be rebuilt from: the session as configured, the
 * items as the upstream confirms them, and which responses are due. What tells a client that something is done (an item that
 * was added, a response that has ended) passes once it is stored, so that after a kill the client knows of nothing that is
 * lost. What a response says is kept when it has ended: one that was cut off is asked for again.
 */
export class Recorder implements Stage {
  readonly serverEvents: ReadonlySet<string> = new Set([
    "session.created",
    "session.updated",
    "conversation.item.added",
    "conversation.item.created",
    "conversation.item.done",
    "conversation.item.deleted",
    "conversation.item.truncated",
    "conversation.item.input_audio_transcription.completed",
    "conversation.item.input_audio_transcription.failed",
    "input_audio_buffer.speech_started",
    "input_audio_buffer.committed",
    "input_audio_buffer.cleared",
    "response.created",
    "response.output_item.added",
    "response.output_item.done",
    "response.output_audio_transcript.done",
    "response.done",
    "error",
  ]);
  readonly #limits: ConversationLimits;
  readonly #writer: SessionWriter;
  readonly #idPrefix = `${OWN_ID}${crypto.randomUUID().slice(0, 8)}_`;
  #conversation: RecordedConversation;
  #config: Json | null = null;
  #due: readonly DueResponse[] = [];
  #lastEnd: RealtimeEvent | null = null;
  /** The session as the upstream says it is. */
  #session: Json = {};
  #isLive = false;
  /** How many `session.updated` are still to come that answer what is not the client's. */
  #foreignUpdates = 0;
  #ownIds = 0;
  /** Updates and new items that were asked of the upstream and are not confirmed, by the id of the event, the oldest first. */
  readonly #pending = new Map<string, RealtimeEvent>();
  /** Of responses that have not ended: to which one an item belongs, what it says, how much audio it has, where it was cut. */
  readonly #responseOf = new Map<string, string>();
  readonly #transcripts = new Map<string, string>();
  readonly #audioBytes = new Map<string, number>();
  readonly #cutAtMs = new Map<string, number>();
  /** Items of the user whose transcript is still to come. */
  readonly #untranscribed = new Set<string>();
  /** Items that were said aloud, and are text for the upstream, as it is not the one that said them. */
  #onceSpoken: ReadonlySet<string> = new Set();
  /** Events of the upstream that answer what is no matter of the client's: by type and item. */
  readonly #hidden = new Set<string>();
  #isSpeaking = false;
  #onQuiet: (() => void) | undefined;

  constructor(options: RecorderOptions) {
    this.#limits = options.limits;
    this.#conversation = new RecordedConversation(options.limits);
    this.#writer = new SessionWriter(options);
  }

  /** Becomes the owner of the record, and gives it. Rejects where the store cannot be reached. */
  async claim(): Promise<SessionRecord> {
    const record = await this.#writer.open();
    this.#conversation = new RecordedConversation(this.#limits, record.items);
    this.#config = record.config;
    this.#due = record.due;
    this.#lastEnd = record.lastEnd;
    return record;
  }

  /**
   * Records from now on, what an upstream says that has the conversation as text. `updates`: how many `session.update` are
   * under way that are not the client's.
   */
  start(updates = 0): void {
    this.#isLive = true;
    this.#foreignUpdates = updates;
    this.#onceSpoken = new Set(this.#conversation.items.filter(({ audioMs }) => audioMs > 0).map(({ id }) => id));
  }

  /** The upstream is gone. Gives what is recorded so far, for another one of the same connection. */
  stop(): SessionRecord {
    const pending = [...this.#pending.values()];
    this.#isLive = false;
    this.#isSpeaking = false;
    for (const awaited of [this.#pending, this.#untranscribed, this.#responseOf]) awaited.clear();
    for (const said of [this.#transcripts, this.#audioBytes, this.#cutAtMs, this.#hidden]) said.clear();
    this.#conversation = new RecordedConversation(this.#limits, this.#conversation.items);
    const { items } = this.#conversation;
    return { items, config: this.#config, due: this.#due, pending, lastEnd: this.#lastEnd, told: true };
  }

  /** These responses are due now, and no other. */
  setDue(due: readonly DueResponse[]): void {
    this.#due = due;
    this.#save({ due });
  }

  /** An item that cannot be had again is no longer part of the conversation. */
  forget(id: string): void {
    this.#conversation.delete(id);
    this.#save();
  }

  /** Counts the audio of an item, in the text of an event that is not parsed. */
  measureAudio(text: string): void {
    const id = stringAt(text, '"item_id":"');
    const delta = text.indexOf('"delta":"');
    if (id === undefined || delta === -1) return;
    const length = text.indexOf('"', delta + 9) - delta - 9;
    this.#audioBytes.set(id, (this.#audioBytes.get(id) ?? 0) + Math.floor(length * 3 / 4));
  }

  /** Resolves once all that was recorded is stored; `undefined` where it is. */
  saved(): Promise<void> | undefined {
    return this.#writer.saved();
  }

  /** Calls `quiet` once no turn is under way: nobody speaks, nothing is due, and no call is without its output. */
  onQuiet(quiet: () => void): void {
    this.#onQuiet = quiet;
    this.#tellQuiet();
  }

  /** Stores what is left. `remove`: the conversation is over; `told`: the client has got all that was sent to it. */
  end(how: { readonly remove?: boolean; readonly told?: boolean }): Promise<void> {
    this.#onQuiet = undefined;
    return this.#writer.close(how);
  }

  fromClient(event: RealtimeEvent, output: StageOutput): Passed {
    if (!this.#isLive) return event;
    if (event.type === "conversation.item.truncate" && this.#onceSpoken.has(event.item_id as string)) {
      return this.#truncateText(event, output);
    }
    if (!ANSWERED.has(event.type)) return event;
    const id = typeof event.event_id === "string" ? event.event_id : this.#idPrefix + ++this.#ownIds;
    const named = event.event_id === id ? event : { ...event, event_id: id };
    // What is stored here is not waited for: the answer takes longer, and its first event waits for this.
    if (event.type === "response.create") this.#askedFor(named);
    else {
      this.#pending.set(id, named);
      this.#savePending();
    }
    return named;
  }

  fromUpstream(event: RealtimeEvent): Passed | Promise<Passed> {
    if (event.type === "session.created" || event.type === "session.updated") this.#session = event.session as Json;
    if (!this.#isLive) return event;
    if (this.#isHidden(event)) return undefined;
    const told = this.#record(event);
    if (this.#onQuiet !== undefined) queueMicrotask(() => this.#tellQuiet());
    const saved = STORED_BEFORE_TOLD.has(event.type) ? this.#writer.saved() : undefined;
    return saved === undefined ? told : saved.then(() => told);
  }

  #record(event: RealtimeEvent): RealtimeEvent {
    switch (event.type) {
      case "session.updated":
        this.#updated();
        break;
      case "conversation.item.added":
      case "conversation.item.created":
        this.#added(event as ItemEvent);
        break;
      case "conversation.item.done":
      case "response.output_item.done":
        this.#completed(event as ItemEvent);
        break;
      case "conversation.item.deleted":
        this.#conversation.delete(event.item_id as string);
        this.#save();
        break;
      case "conversation.item.truncated":
        this.#truncated(event.item_id as string, event.audio_end_ms as number);
        break;
      case "conversation.item.input_audio_transcription.completed":
        this.#transcribed(event.item_id as string, event.transcript as string);
        break;
      case "conversation.item.input_audio_transcription.failed":
        this.#untranscribed.delete(event.item_id as string);
        break;
      case "input_audio_buffer.speech_started":
        this.#isSpeaking = true;
        // What was to be answered goes on.
        this.#drop(({ create, responseId }) => responseId === null && create.event_id === undefined);
        break;
      case "input_audio_buffer.committed":
        this.#isSpeaking = false;
        if (this.#answersByItself()) this.#askedFor({ type: "response.create" });
        break;
      case "input_audio_buffer.cleared":
        this.#isSpeaking = false;
        break;
      case "response.created":
        this.#begun(event.response as Json);
        break;
      case "response.output_item.added":
        this.#belongs((event as ItemEvent).item.id, event.response_id as string);
        break;
      case "response.output_audio_transcript.done":
        this.#transcripts.set(event.item_id as string, event.transcript as string);
        break;
      case "response.done":
        this.#ended(event);
        break;
      case "error":
        return this.#refused(event);
    }
    return event;
  }

  #updated(): void {
    if (this.#foreignUpdates > 0) {
      this.#foreignUpdates--;
      return;
    }
    const oldest = this.#pending.entries().find(([_, { type }]) => type === "session.update");
    if (oldest === undefined) return;
    this.#pending.delete(oldest[0]);
    this.#config = mergeConfig(this.#config, (oldest[1].session ?? {}) as Json);
    this.#savePending({ config: this.#config });
  }

  #added({ item, previous_item_id: previousId }: ItemEvent): void {
    const { id } = item;
    if (item.status === "in_progress" || this.#responseOf.has(id)) {
      this.#conversation.add(id, null, previousId, { isOpen: true });
      const response = this.#responseOf.get(id) ??
        this.#due.findLast(({ responseId }) => responseId !== null)?.responseId;
      if (response) this.#belongs(id, response);
      return;
    }
    this.#confirmed(id);
    const kept = rebuildItem(item);
    if (kept === null && item.role === "user" && this.#transcribes()) this.#untranscribed.add(id);
    this.#conversation.add(id, kept, previousId);
    this.#lastEnd = null;
    this.#savePending({ lastEnd: null });
  }

  /** The event that created an item has its answer: the one that named it, else the oldest that named none. */
  #confirmed(id: string): void {
    let unnamed: string | undefined;
    for (const [eventId, { type, item }] of this.#pending) {
      if (type !== "conversation.item.create") continue;
      const own = (item as Json | undefined)?.id;
      if (own === id) return void this.#pending.delete(eventId);
      if (own === undefined) unnamed ??= eventId;
    }
    if (unnamed !== undefined) this.#pending.delete(unnamed);
  }

  #completed({ item }: ItemEvent): void {
    const { id } = item;
    const kept = rebuildItem(item, this.#transcripts.get(id));
    if (kept === null) return;
    const isOpen = this.#conversation.isOpen(id);
    const before = this.#conversation.itemOf(id);
    if (before === undefined || this.#cutAtMs.has(id) || JSON.stringify(before) === JSON.stringify(kept)) return;
    this.#conversation.set(id, kept, { isOpen });
    if (!isOpen) this.#save();
  }

  #truncated(id: string, atMs: number): void {
    if (this.#conversation.isOpen(id)) this.#cutAtMs.set(id, atMs);
    else {
      this.#cut(id, atMs, this.#conversation.audioMsOf(id));
      this.#save();
    }
  }

  /** Nobody says how much text belongs to how much audio: where its length is not known, none of it was heard. */
  #cut(id: string, atMs: number, audioMs: number): void {
    const item = this.#conversation.itemOf(id);
    if (item == null || (audioMs > 0 && atMs >= audioMs)) return;
    const heard = audioMs > 0 ? truncateMessage(item, atMs / audioMs) : null;
    this.#conversation.set(id, heard, { audioMs: atMs });
  }

  /**
   * Cuts what was said aloud before this upstream was there, and is still heard by the user: the upstream has it as text, which
   * it does not truncate, so the item is replaced.
   */
  #truncateText({ item_id, content_index, audio_end_ms }: RealtimeEvent, output: StageOutput): undefined {
    const id = item_id as string;
    this.#cut(id, audio_end_ms as number, this.#conversation.audioMsOf(id));
    this.#save();
    const item = this.#conversation.itemOf(id);
    const previous = this.#conversation.before(id) ?? "root";
    this.#hidden.add(`conversation.item.deleted ${id}`);
    output.toUpstream({ type: "conversation.item.delete", item_id: id });
    if (item != null) {
      this.#hidden.add(`conversation.item.added ${id}`).add(`conversation.item.done ${id}`);
      output.toUpstream({ type: "conversation.item.create", previous_item_id: previous, item });
    }
    const event_id = `event_${crypto.randomUUID().replaceAll("-", "")}`;
    output.toClient({ type: "conversation.item.truncated", event_id, item_id, content_index, audio_end_ms });
  }

  #isHidden(event: RealtimeEvent): boolean {
    if (this.#hidden.size === 0) return false;
    const id = event.item_id ?? (event.item as Json | undefined)?.id;
    return this.#hidden.delete(`${event.type} ${id}`);
  }

  #transcribed(id: string, transcript: string): void {
    this.#untranscribed.delete(id);
    const before = this.#conversation.itemOf(id);
    if (before === undefined || transcript === "") return;
    const content = [...before?.content as Json[] ?? [], { type: "input_text", text: transcript }];
    this.#conversation.set(id, { id, type: "message", role: "user", content });
    this.#save();
  }

  #askedFor(create: RealtimeEvent): void {
    this.#lastEnd = null;
    if (this.#due.length >= MAX_DUE) return;
    this.#due = [...this.#due, { create, responseId: null, itemIds: [], retries: 0 }];
    this.#save({ due: this.#due, lastEnd: null });
  }

  #begun({ id }: Json): void {
    const at = this.#due.findIndex(({ responseId }) => responseId === null);
    const asked = this.#due[at] ?? { create: { type: "response.create" }, itemIds: [], retries: 0 };
    const others = this.#due.filter((_, index) => index !== at);
    this.#due = [...others, { ...asked, responseId: id as string }];
    this.#lastEnd = null;
    this.#save({ due: this.#due, lastEnd: null });
  }

  #belongs(id: string, response: string): void {
    this.#responseOf.set(id, response);
    if (!this.#conversation.isOpen(id)) return;
    this.#due = this.#due.map((due) =>
      due.responseId !== response || due.itemIds.includes(id) ? due : { ...due, itemIds: [...due.itemIds, id] }
    );
    this.#save({ due: this.#due });
  }

  #ended(event: RealtimeEvent): void {
    const response = event.response as Json;
    const output = new Map((response.output as ItemEvent["item"][] ?? []).map((item) => [item.id, item]));
    for (const [id, responseId] of this.#responseOf) {
      if (responseId !== response.id) continue;
      if (this.#conversation.isOpen(id)) this.#said(id, output.get(id));
      for (const known of [this.#responseOf, this.#transcripts, this.#audioBytes, this.#cutAtMs]) known.delete(id);
    }
    this.#due = this.#due.filter(({ responseId }) => responseId !== response.id);
    const isOutOfBand = response.conversation_id === null;
    if (!isOutOfBand) this.#lastEnd = isKept(event) ? event : null;
    this.#save({ due: this.#due, lastEnd: this.#lastEnd });
  }

  /** An item is complete. */
  #said(id: string, output: Json | undefined): void {
    const item = (output && rebuildItem(output, this.#transcripts.get(id))) ?? this.#conversation.itemOf(id) ?? null;
    const audioMs = (this.#audioBytes.get(id) ?? 0) / this.#outputBytesPerMs();
    this.#conversation.set(id, item, { audioMs });
    const atMs = this.#cutAtMs.get(id);
    if (atMs !== undefined) this.#cut(id, atMs, audioMs);
  }

  #refused(event: RealtimeEvent): RealtimeEvent {
    const error = event.error as Json | undefined;
    const id = error?.event_id;
    if (typeof id !== "string") return event;
    if (this.#pending.delete(id)) this.#savePending();
    this.#drop(({ create, responseId }) => responseId === null && create.event_id === id);
    return id.startsWith(OWN_ID) ? { ...event, error: { ...error, event_id: null } } : event;
  }

  #drop(isOver: (due: DueResponse) => boolean): void {
    if (!this.#due.some(isOver)) return;
    this.#due = this.#due.filter((due) => !isOver(due));
    this.#save({ due: this.#due });
  }

  #save(changes: SessionChanges = {}): void {
    const due = changes.due?.map(keptDue);
    this.#writer.add({ ...this.#conversation.takeChanges(), ...changes, ...due && { due } });
  }

  #savePending(changes: SessionChanges = {}): void {
    this.#save({ ...changes, pending: [...this.#pending.values()].filter(isKept) });
  }

  #tellQuiet(): void {
    const isQuiet = this.#due.length + this.#pending.size + this.#untranscribed.size === 0 && !this.#isSpeaking &&
      !this.#hasOpenCall();
    if (!isQuiet) return;
    const quiet = this.#onQuiet;
    this.#onQuiet = undefined;
    quiet?.();
  }

  /** Whether a function was called in this turn that has given nothing yet. */
  #hasOpenCall(): boolean {
    const answered = new Set<unknown>();
    for (const { item } of this.#conversation.items.toReversed()) {
      if (item?.role === "user") return false;
      if (item?.type === "function_call_output") answered.add(item.call_id);
      if (item?.type === "function_call" && !answered.has(item.call_id)) return true;
    }
    return false;
  }

  /** Whether OpenAI answers what is said without being asked to. */
  #answersByItself(): boolean {
    const detection = (this.#audio("input").turn_detection ?? undefined) as Json | undefined;
    return detection !== undefined && detection.create_response !== false;
  }

  #transcribes(): boolean {
    return this.#audio("input").transcription != null;
  }

  #outputBytesPerMs(): number {
    const format = this.#audio("output").format as { type?: string } | undefined;
    return BYTES_PER_MS[format?.type ?? "audio/pcm"] ?? 48;
  }

  #audio(side: "input" | "output"): Json {
    return (this.#session.audio as Record<string, Json> | undefined)?.[side] ?? {};
  }
}

/** Whether an event may be kept: not one with audio or an image, nor one of a size that only these have. */
function isKept(event: RealtimeEvent): boolean {
  return !holdsMedia(event) && JSON.stringify(event).length <= MAX_KEPT_LENGTH;
}

/** What is kept of a response that is due: one that was asked for by audio cannot be asked for again. */
function keptDue(due: DueResponse): DueResponse {
  if (isKept(due.create)) return due;
  const { type, event_id } = due.create;
  return { ...due, create: { type, event_id }, retries: MAX_RETRIES };
}

/** The events of a client to which an answer is expected. */
const ANSWERED: ReadonlySet<string> = new Set(["session.update", "conversation.item.create", "response.create"]);

/** What a client may rely on once it has been told. */
const STORED_BEFORE_TOLD: ReadonlySet<string> = new Set([
  "session.updated",
  "conversation.item.added",
  "conversation.item.created",
  "conversation.item.done",
  "conversation.item.deleted",
  "conversation.item.truncated",
  "conversation.item.input_audio_transcription.completed",
  "response.created",
  "response.done",
]);

function stringAt(text: string, key: string): string | undefined {
  const start = text.indexOf(key);
  if (start === -1) return undefined;
  return text.slice(start + key.length, text.indexOf('"', start + key.length));
}
