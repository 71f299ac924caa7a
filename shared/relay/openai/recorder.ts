import { clientEventId, createEventId, OWN_ID } from "./event_id.ts";
import { holdsMedia } from "./holds_media.ts";
import { mergeConfig } from "./merge_config.ts";
import { MAX_RETRIES } from "./plan_rebuild.ts";
import { rebuildItem, truncateMessage } from "./rebuild_item.ts";
import { type ConversationLimits, RecordedConversation } from "./recorded_conversation.ts";
import { refusalEvent } from "./refusal_event.ts";
import type { Claim, DueResponse, PendingEvent, SessionChanges, SessionRecord } from "./session_store.ts";
import { SessionWriter, type SessionWriterOptions } from "./session_writer.ts";
import type { Passed, RealtimeEvent, StageOutput } from "./stage.ts";

/** What a recorder is made of. */
export interface RecorderOptions extends SessionWriterOptions {
  readonly limits: ConversationLimits;
  /** Whether the client is not shown an item; default it is shown all. */
  hides?(item: Json): boolean;
  /** The client has asked for a response. */
  onAsked?(): void;
}

type Json = Readonly<Record<string, unknown>>;

/** An event that is longer is not kept to be asked, or told, again. */
const MAX_KEPT_LENGTH = 64 * 1024;
/** A session that is longer as JSON is refused: it is stored, and set up again at each upstream. */
const MAX_CONFIG_LENGTH = 256 * 1024;
/** Responses that may be due at once, and ends of which a client may not have been told; what is beyond that is not kept. */
const MAX_DUE = 16;
/** The bytes of a millisecond of audio, by the type of its format. */
const BYTES_PER_MS: Readonly<Record<string, number>> = { "audio/pcm": 48, "audio/pcmu": 8, "audio/pcma": 8 };

/** How an item is asked for in one go: with all that is known of it, whatever event it came by. */
interface ItemEvent extends RealtimeEvent {
  readonly item: Json & { readonly id: string };
  readonly previous_item_id?: string | null;
  readonly response_id?: string;
}

/**
 * Stands next to the upstream, and records what a conversation can be rebuilt from: the session as configured, the items as
 * the upstream confirms them, what it has not confirmed, and which responses are due. An event is recorded when it arrives.
 * What tells a client that something is done (an item that was added, a response that has ended) passes once that is stored,
 * so that after a kill the client knows of nothing that is lost. What a response says is kept when it has ended: one that was
 * cut off is asked for again.
 */
export class Recorder {
  /** The types of server events that it has to see. */
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
    "input_audio_buffer.speech_stopped",
    "input_audio_buffer.timeout_triggered",
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
  readonly #onAsked: () => void;
  readonly #hides: (item: Json) => boolean;
  readonly #writer: SessionWriter;
  readonly #idPrefix = `${OWN_ID}${crypto.randomUUID().slice(0, 8)}_`;
  #conversation: RecordedConversation;
  #config: Json | null = null;
  #due: readonly DueResponse[] = [];
  /** What the client may not have been told of: items, and ends of responses. */
  #untold = new Set<string>();
  #isUntoldChanged = false;
  #ends: readonly RealtimeEvent[] = [];
  /** Whether all that was recorded has gone to the client: it knows that when it goes on. */
  #isTold = true;
  /** The session as the upstream says it is. */
  #session: Json = {};
  #isLive = false;
  /** How many `session.updated` are still to come that answer what is not the client's. */
  #foreignUpdates = 0;
  #ownIds = 0;
  /** What was asked of the upstream and is not confirmed, by its number, the oldest first: clients use an `event_id` again. */
  readonly #pending = new Map<number, PendingEvent>();
  #lastNumber = 0;
  /** The numbers of those that have been confirmed since the last save. */
  #settled: number[] = [];
  /** Of responses that have not ended: to which one an item belongs, what it says, how much audio it has, where it was cut. */
  readonly #responseOf = new Map<string, string>();
  readonly #transcripts = new Map<string, string>();
  readonly #audioBytes = new Map<string, number>();
  readonly #cutAtMs = new Map<string, number>();
  /** Items of the user whose transcript is still to come. */
  readonly #untranscribed = new Set<string>();
  /** Items that were said aloud, and are text for the upstream, as it is not the one that said them. */
  #onceSpoken: ReadonlySet<string> = new Set();
  /** Items of the user whose end a detector has heard: it is no client's `commit` that makes them. */
  readonly #detected = new Set<string>();
  /** By the response that nobody asked for: requests which waited when it began, and may have been what it answers. */
  readonly #rivals = new Map<string, readonly DueResponse[]>();
  /** Resolves once that is stored of which an event tells. */
  readonly #storing = new WeakMap<RealtimeEvent, Promise<void>>();
  /** Events of the upstream that answer what is no matter of the client's: by type and item. */
  readonly #hidden = new Set<string>();
  #isSpeaking = false;
  /** Whether the client has sent audio since it last ended what it says. */
  #hasAppended = false;
  #onQuiet: PromiseWithResolvers<void> | undefined;

  constructor(options: RecorderOptions) {
    this.#limits = options.limits;
    this.#onAsked = () => options.onAsked?.();
    this.#hides = (item) => options.hides?.(item) ?? false;
    this.#conversation = new RecordedConversation(options.limits);
    this.#writer = new SessionWriter(options);
  }

  /** Becomes the owner of the record, and gives it, or why not. Rejects where the store cannot be reached. */
  async claim(): Promise<Claim> {
    const record = await this.#writer.open();
    if (typeof record === "string") return record;
    this.#conversation = new RecordedConversation(this.#limits, record.items);
    this.#config = record.config;
    this.#due = record.due;
    this.#untold = new Set(record.untold);
    this.#ends = record.ends;
    this.#isTold = record.told;
    for (const pending of record.pending) this.#pending.set(pending.number, pending);
    this.#lastNumber = record.pending.at(-1)?.number ?? 0;
    return record;
  }

  /**
   * Records from now on, what an upstream says that has the conversation as text. `updates`: how many `session.update` are
   * under way that are not the client's.
   */
  start(updates = 0): void {
    this.#isLive = true;
    this.#foreignUpdates = updates;
    if (this.#onQuiet !== undefined) queueMicrotask(() => this.#tellQuiet());
    this.#onceSpoken = new Set(this.#conversation.items.filter(({ audioMs }) => audioMs > 0).map(({ id }) => id));
  }

  /** The upstream is gone. Gives what is recorded so far, for another one of the same connection. */
  stop(): SessionRecord {
    this.#isLive = false;
    this.#isSpeaking = false;
    this.#hasAppended = false;
    for (const awaited of [this.#untranscribed, this.#responseOf, this.#detected, this.#rivals]) awaited.clear();
    for (const said of [this.#transcripts, this.#audioBytes, this.#cutAtMs, this.#hidden]) said.clear();
    this.#conversation = new RecordedConversation(this.#limits, this.#conversation.items);
    const { items } = this.#conversation;
    const pending = [...this.#pending.values()];
    return { items, config: this.#config, due: this.#due, untold: [], ends: [], told: true, pending };
  }

  /** These responses are due now, and no other; nothing is pending any more, but for what is repeated next. */
  goOn(due: readonly DueResponse[]): void {
    const unpend = [...this.#pending.keys()];
    this.#pending.clear();
    this.#due = due;
    this.#save({ due, unpend });
  }

  /** All that was recorded so far has gone to the client. */
  told(): void {
    if (this.#isLive) this.#isTold = true;
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

  /** Resolves once `isQuiet`; `undefined` where it is. */
  quiet(): Promise<void> | undefined {
    return this.isQuiet ? undefined : (this.#onQuiet ??= Promise.withResolvers()).promise;
  }

  /**
   * Whether no turn is under way: nobody speaks, nothing is due or not confirmed, and no call is without its output. Before
   * the conversation is there nobody knows.
   */
  get isQuiet(): boolean {
    return this.#isLive && this.#due.length + this.#pending.size + this.#untranscribed.size === 0 &&
      !this.#isSpeaking && !this.#isUncommitted && !this.#hasOpenCall();
  }

  /** Whether somebody may be speaking where it is the client that says when a turn ends. */
  get #isUncommitted(): boolean {
    return this.#hasAppended && this.#audio("input").turn_detection == null;
  }

  /** The oldest request of the client for a response that was neither begun nor refused. */
  get unanswered(): RealtimeEvent | undefined {
    return this.#due.find((due) => due.responseId === null && !isUnasked(due))?.create;
  }

  /** Stores what is left. `remove`: the conversation is over; `told`: the client has got all that was sent to it. */
  end(how: { readonly remove?: boolean; readonly told?: boolean }): Promise<void> {
    this.#onQuiet = undefined;
    return this.#writer.close(how);
  }

  fromClient(event: RealtimeEvent, output: StageOutput): Passed {
    if (!this.#isLive) return event;
    if (event.type === "input_audio_buffer.append") {
      this.#hasAppended = true;
      return event;
    }
    if (ENDS_SPEECH.has(event.type)) this.#hasAppended = false;
    if (event.type === "conversation.item.truncate" && this.#onceSpoken.has(event.item_id as string)) {
      return this.#truncateText(event, output);
    }
    if (event.type === "response.cancel") this.#cancelled(event.response_id);
    if (event.type === "session.update" && this.#configWith(event).length > MAX_CONFIG_LENGTH) {
      const message =
        `A session that is kept may have ${MAX_CONFIG_LENGTH} characters of JSON, with all that was set before.`;
      return void output.toClient(refusalEvent({ code: "session_too_large", message, param: "session" }, event));
    }
    if (!ANSWERED.has(event.type)) return event;
    const id = typeof event.event_id === "string" ? event.event_id : this.#idPrefix + ++this.#ownIds;
    const named = event.event_id === id ? event : { ...event, event_id: id };
    // What is stored here is not waited for: the answer takes longer, and its first event waits for this.
    if (event.type === "response.create") this.#askedFor(named);
    else this.#pend(named);
    return named;
  }

  /** Records an event of the upstream, and gives what the client is to see of it. */
  fromUpstream(event: RealtimeEvent): Passed {
    if (event.type === "session.created" || event.type === "session.updated") this.#session = event.session as Json;
    if (!this.#isLive) return event;
    if (this.#isHidden(event)) return undefined;
    const told = this.#record(event);
    if (this.#onQuiet !== undefined) queueMicrotask(() => this.#tellQuiet());
    this.#holdUntilSaved(told);
    return told;
  }

  /** Whether an event of this type waits until that is stored of which it tells. */
  holds(type: string): boolean {
    return STORED_BEFORE_TOLD.has(type);
  }

  /** The event, once that is stored of which it tells. */
  whenStored(event: RealtimeEvent): RealtimeEvent | Promise<RealtimeEvent> {
    const saved = this.#storing.get(event);
    return saved === undefined ? event : saved.then(() => event);
  }

  #holdUntilSaved(event: RealtimeEvent): void {
    const saved = this.holds(event.type) ? this.#writer.saved() : undefined;
    if (saved !== undefined) this.#storing.set(event, saved);
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
        this.#done(event as ItemEvent);
        break;
      case "response.output_item.done":
        this.#completed(event as ItemEvent);
        break;
      case "conversation.item.deleted":
        this.#conversation.delete(event.item_id as string);
        this.#responseOf.delete(event.item_id as string);
        this.#answered("conversation.item.delete", event.item_id);
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
        this.#drop(isUnasked);
        break;
      case "input_audio_buffer.speech_stopped":
      case "input_audio_buffer.timeout_triggered":
        this.#detected.add(event.item_id as string);
        break;
      case "input_audio_buffer.committed":
        this.#isSpeaking = false;
        this.#committed(event);
        break;
      case "input_audio_buffer.cleared":
        this.#isSpeaking = false;
        this.#detected.clear();
        break;
      case "response.created":
        this.#begun(event.response as Json);
        break;
      case "response.output_item.added":
        this.#belongs((event as ItemEvent).item, event.response_id as string);
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
    const oldest = this.#answered("session.update");
    if (oldest === undefined) return;
    this.#config = mergeConfig(this.#config, (oldest.session ?? {}) as Json);
    this.#save({ config: this.#config });
  }

  /** The session as it will be, in JSON: with what the client has set and OpenAI has still to confirm, and this at last. */
  #configWith(update: RealtimeEvent): string {
    const pending = this.#pending.values().map(({ event }) => event).filter(({ type }) => type === "session.update");
    const updates = [...pending, update].map(({ session }) => (session ?? {}) as Json);
    return JSON.stringify(updates.reduce(mergeConfig, this.#config));
  }

  #added({ item, previous_item_id: previousId }: ItemEvent): void {
    const { id } = item;
    if (item.status === "in_progress" || this.#responseOf.has(id)) {
      this.#conversation.add(id, null, previousId, { isOpen: true });
      const response = this.#responseOf.get(id) ??
        this.#due.findLast(({ responseId }) => responseId !== null)?.responseId;
      if (response) this.#belongs(item, response);
      return;
    }
    this.#confirmed(id);
    const kept = rebuildItem(item);
    if (kept === null && item.role === "user" && this.#transcribes()) this.#untranscribed.add(id);
    this.#conversation.add(id, kept, previousId);
    this.#goesOn();
    this.#tells(id);
    this.#save();
  }

  /** The event that created an item has its answer: the one that named it, else the oldest that named none. */
  #confirmed(id: string): void {
    let unnamed: PendingEvent | undefined;
    for (const pending of this.#pending.values()) {
      if (pending.event.type !== "conversation.item.create") continue;
      const own = (pending.event.item as Json | undefined)?.id;
      if (own === id) return this.#settle(pending);
      if (own === undefined) unnamed ??= pending;
    }
    if (unnamed !== undefined) this.#settle(unnamed);
  }

  /** What was said becomes an item, in the same save as the response to it, so that this is never one to what came before. */
  #committed({ item_id, previous_item_id }: RealtimeEvent): void {
    const id = item_id as string;
    const isDetected = this.#detected.delete(id);
    // One that came too late is refused, and waited for no longer either.
    const isClients = this.#answered("input_audio_buffer.commit") !== undefined && !isDetected;
    if (!this.#conversation.has(id)) this.#conversation.add(id, null, previous_item_id as string | null | undefined);
    if (!isClients && this.#answersByItself()) this.#asksItself();
    else this.#save();
  }

  /** Servers of the same protocol say of what a model has said only that it is done, and not that it was added. */
  #done(event: ItemEvent): void {
    const { id } = event.item;
    if (this.#responseOf.has(id) && !this.#conversation.has(id)) this.#added(event);
    this.#completed(event);
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
    this.#answered("conversation.item.truncate", id);
    if (this.#conversation.isOpen(id)) this.#cutAtMs.set(id, atMs);
    else this.#cut(id, atMs, this.#conversation.audioMsOf(id));
    this.#save();
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
    const event_id = createEventId();
    const truncated = { type: "conversation.item.truncated", event_id, item_id, content_index, audio_end_ms };
    this.#holdUntilSaved(truncated);
    output.toClient(truncated);
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
    this.#goesOn();
    if (this.#due.length >= MAX_DUE) return;
    this.#due = [...this.#due, { create, responseId: null, itemIds: [], retries: 0 }];
    this.#save({ due: this.#due });
    this.#onAsked();
  }

  /** OpenAI is to answer without being asked, and does so before it reads what else is on its way. */
  #asksItself(): void {
    this.#goesOn();
    const own = { create: { type: "response.create" }, responseId: null, itemIds: [], retries: 0 };
    const begun = this.#due.filter(({ responseId }) => responseId !== null);
    const waiting = this.#due.filter(({ responseId }) => responseId === null);
    this.#due = [...begun, own, ...waiting].slice(0, MAX_DUE);
    this.#save({ due: this.#due });
  }

  #begun(response: Json): void {
    const id = response.id as string;
    const waiting = this.#due.filter(({ responseId }) => responseId === null);
    const fitting = waiting.filter(({ create }) => mayAsk(create, response));
    const asked = fitting.find(({ create }) => hasMetadata(create, response)) ?? fitting[0] ?? waiting[0];
    const isUnexpected = asked === undefined || isUnasked(asked);
    if (asked === undefined || !isAside(asked.create)) {
      this.#rivals.set(id, fitting.filter((due) => due !== asked && !isAside(due.create)));
    }
    const begun = asked ?? { create: { type: "response.create" }, itemIds: [], retries: 0 };
    // Where another has begun, the one that nobody asked for did not.
    const others = this.#due.filter((due) =>
      due !== asked && !(!isUnexpected && fitting.includes(due) && isUnasked(due))
    );
    this.#due = [...others, { ...begun, responseId: id }];
    this.#goesOn();
    this.#save({ due: this.#due });
  }

  /** The client takes back what it has asked for: one response, or that in the conversation. */
  #cancelled(responseId: unknown): void {
    const isMeant = (due: DueResponse) =>
      typeof responseId === "string" ? due.responseId === responseId : !isAside(due.create);
    if (!this.#due.some(isMeant)) return;
    this.#due = this.#due.map((due) => isMeant(due) ? { ...due, isCancelled: true } : due);
    this.#save({ due: this.#due });
  }

  /** What the client took back had not begun when OpenAI read that, and goes on. */
  #notCancelled(): void {
    if (!this.#due.some(({ isCancelled }) => isCancelled)) return;
    this.#due = this.#due.map(({ isCancelled: _, ...due }) => due);
    this.#save({ due: this.#due });
  }

  #belongs(item: ItemEvent["item"], response: string): void {
    const { id } = item;
    this.#responseOf.set(id, response);
    if (!this.#conversation.isOpen(id) || this.#hides(item)) return;
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
    const rivals = this.#rivals.get(response.id as string) ?? [];
    this.#rivals.delete(response.id as string);
    // Had one of them been another request, it would have been refused while this response ran.
    this.#due = this.#due.filter((due) => due.responseId !== response.id && !rivals.includes(due));
    this.#tells();
    this.#ends = [...this.#ends, isKept(event) ? event : { ...event, response: { ...response, output: [] } }]
      .slice(-MAX_DUE);
    this.#save({ due: this.#due, ends: this.#ends });
  }

  /** An item is complete. */
  #said(id: string, output: Json | undefined): void {
    const item = (output && rebuildItem(output, this.#transcripts.get(id))) ?? this.#conversation.itemOf(id) ?? null;
    // Nobody is told later that it could not be had again.
    if (item === null && output && this.#hides(output)) return this.#conversation.delete(id);
    const audioMs = (this.#audioBytes.get(id) ?? 0) / this.#outputBytesPerMs();
    this.#conversation.set(id, item, { audioMs });
    this.#tells(id);
    const atMs = this.#cutAtMs.get(id);
    if (atMs !== undefined) this.#cut(id, atMs, audioMs);
  }

  #refused(event: RealtimeEvent): RealtimeEvent {
    const error = event.error as Json | undefined;
    const id = error?.event_id;
    if (error?.code === NOT_ACTIVE) this.#notCancelled();
    if (typeof id !== "string") {
      if (error?.code === ALREADY_ACTIVE) this.#dropOldest(isUnasked);
      return event;
    }
    const pending = this.#pending.values().find(({ event }) => event.event_id === id);
    if (pending !== undefined) {
      this.#settle(pending);
      this.#save();
    } else this.#dropOldest(({ create, responseId }) => responseId === null && create.event_id === id);
    return clientEventId(id) === null ? { ...event, error: { ...error, event_id: null } } : event;
  }

  #dropOldest(isMeant: (due: DueResponse) => boolean): void {
    const oldest = this.#due.find(isMeant);
    this.#drop((due) => due === oldest);
  }

  #drop(isOver: (due: DueResponse) => boolean): void {
    if (!this.#due.some(isOver)) return;
    this.#due = this.#due.filter((due) => !isOver(due));
    this.#save({ due: this.#due });
  }

  #pend(event: RealtimeEvent): void {
    const pending = { number: ++this.#lastNumber, event };
    this.#pending.set(pending.number, pending);
    this.#save({ pend: [keptPending(pending)] });
  }

  /** The oldest pending event of a type (about an item, where one is given) has its answer. */
  #answered(type: string, itemId?: unknown): RealtimeEvent | undefined {
    for (const pending of this.#pending.values()) {
      const { event } = pending;
      if (event.type !== type || (itemId !== undefined && event.item_id !== itemId)) continue;
      this.#settle(pending);
      return event;
    }
  }

  /** It goes from the store with the next save, which holds what came of it. */
  #settle(pending: PendingEvent): void {
    this.#pending.delete(pending.number);
    this.#settled.push(pending.number);
  }

  /** The conversation goes on: what the client has been told of before is known to it. */
  #goesOn(): void {
    if (!this.#isTold || this.#untold.size + this.#ends.length === 0) return;
    this.#untold.clear();
    this.#ends = [];
    this.#save({ untold: [], ends: [] });
  }

  /** Something is on its way to the client: an item, or the end of a response. */
  #tells(id?: string): void {
    this.#isTold = false;
    if (id === undefined || this.#untold.has(id)) return;
    this.#untold.add(id);
    this.#isUntoldChanged = true;
  }

  #save(changes: SessionChanges = {}): void {
    const due = changes.due?.map(keptDue);
    const untold = this.#isUntoldChanged ? [...this.#untold] : undefined;
    const unpend = [...this.#settled, ...changes.unpend ?? []];
    this.#settled = [];
    this.#isUntoldChanged = false;
    this.#writer.add({
      ...this.#conversation.takeChanges(),
      ...changes,
      ...due && { due },
      ...untold && { untold },
      unpend,
    });
  }

  #tellQuiet(): void {
    if (!this.isQuiet) return;
    this.#onQuiet?.resolve();
    this.#onQuiet = undefined;
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

/** What is kept of an event that is not confirmed: of one with audio that there was one. */
function keptPending({ number, event }: PendingEvent): PendingEvent {
  return { number, event: isKept(event) ? event : { type: event.type, event_id: event.event_id } };
}

/** Whether OpenAI was to begin a response by itself, and has not. */
function isUnasked({ create, responseId }: DueResponse): boolean {
  return responseId === null && create.event_id === undefined;
}

/** Whether a response was asked for outside the conversation. */
function isAside(create: RealtimeEvent): boolean {
  return (create.response as Json | undefined)?.conversation === "none";
}

/** Whether a response may be the one that was asked for so: OpenAI does not say what it answers, but where it stands. */
function mayAsk(create: RealtimeEvent, { conversation_id: conversation }: Json): boolean {
  return conversation === undefined || isAside(create) === (conversation === null);
}

function hasMetadata(create: RealtimeEvent, { metadata }: Json): boolean {
  const own = (create.response as Json | undefined)?.metadata;
  return own != null && JSON.stringify(own) === JSON.stringify(metadata);
}

/** How OpenAI refuses a response while another is under way. */
const ALREADY_ACTIVE = "conversation_already_has_active_response";
/** How it refuses to cancel what has not begun. */
const NOT_ACTIVE = "response_cancel_not_active";

/** The events of a client to which an answer is expected. */
const ANSWERED: ReadonlySet<string> = new Set([
  "session.update",
  "conversation.item.create",
  "conversation.item.delete",
  "conversation.item.truncate",
  "input_audio_buffer.commit",
  "response.create",
]);

/** By these a client ends what it says, where nobody listens for that. */
const ENDS_SPEECH: ReadonlySet<string> = new Set(["input_audio_buffer.commit", "input_audio_buffer.clear"]);

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
