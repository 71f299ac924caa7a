import { closeCodeFor, ERROR_CODES, type ErrorCode } from "../../protocol/codes.ts";
import { type Log, log as defaultLog } from "../../telemetry/log.ts";
import { refusalEvent } from "./refusal_event.ts";
import type { Passed, RealtimeEvent, SessionInfo, Stage, StageOutput } from "./stage.ts";
import { costOf, type Usage, USAGE_EVENTS, usageOf, type Weights } from "./usage.ts";
import type { SessionLease, UsageLimits, UsageRecord, UsageStore } from "./usage_store.ts";

/** What a meter is made of. */
export interface MeterOptions {
  readonly store: UsageStore;
  readonly limits: UsageLimits;
  readonly weights: Weights;
  readonly log?: Log;
}

/** How long a lease of a killed isolate counts on, in milliseconds. */
export const LEASE_MS = 60_000;
/** Three tries before a lease is lost. */
export const RENEW_EVERY_MS = 20_000;
/** How long the end of a response may wait for the database, in milliseconds; its usage is stored all the same. */
export const MAX_HELD_MS = 2_000;
/** How long an upstream that is let go of may take to say what its last responses have used, in milliseconds. */
export const MAX_PARTING_MS = 5_000;
/** How many responses that were asked for and have not begun are told apart. */
const MAX_ASKED = 16;
/** When the last usage of a session is tried to be stored again, in milliseconds. */
const RETRY_MS = [100, 400, 1_500, 5_000];

/**
 * Meters the sessions of this isolate: what they use goes to the store, and who has used up the budget is stopped, at the
 * start (4402) and while the session goes on, on whatever isolate the budget was used up. Whoever has as many sessions as
 * he may is refused another (4429). Where the store is out of reach nobody begins (1013), and sessions end once their
 * leases have run out.
 *
 * Usage is stored as soon as the upstream tells of it, whoever is still there to hear that: a response that is under way, or
 * was asked for, when its client leaves is cancelled, and the upstream is heard out. A client is told of the end of a
 * response once its usage is stored, or after `MAX_HELD_MS`. What could not be stored waits, in order, for the next call
 * that gets through; it is lost with the isolate.
 */
export class Meter {
  readonly #options: MeterOptions;
  readonly #log: Log;
  readonly #sessions = new Set<MeteredSession>();
  #waiting: UsageRecord[] = [];
  #storing: Promise<void> | undefined;
  #timer: ReturnType<typeof setInterval> | undefined;
  #failingSince: number | undefined;

  constructor(options: MeterOptions) {
    this.#options = options;
    this.#log = options.log ?? defaultLog;
  }

  /** The stage of a session that begins. */
  readonly createStage = (info: SessionInfo): Stage => {
    return new MeteredSession(info, {
      admit: (session) => this.#admit(session),
      record: (session, usage) => this.#record(session, usage),
      leave: (session) => this.#leave(session),
    });
  };

  async #admit(session: MeteredSession): Promise<ErrorCode | undefined> {
    const { store, limits } = this.#options;
    try {
      const admission = await store.begin(session.lease, limits, LEASE_MS);
      if (admission !== "admitted") return admission;
    } catch (error) {
      this.#log.error("openai.usage_unavailable", { error });
      return "store_unavailable";
    }
    if (session.isClosed) return void await this.#end(session);
    // What failed while nobody was there to be renewed says nothing of how long the store has been gone.
    if (this.#sessions.size === 0) this.#failingSince = undefined;
    this.#sessions.add(session);
    this.#timer ??= setInterval(() => void this.#renew(), RENEW_EVERY_MS);
  }

  /** Settles once the usage is stored, or may wait no longer. */
  async #record({ lease: { userId, sessionId } }: MeteredSession, usage: Usage): Promise<void> {
    const cost = costOf(usage, this.#options.weights);
    this.#waiting.push({ ...usage, id: crypto.randomUUID(), userId, sessionId, cost });
    let timer: ReturnType<typeof setTimeout> | undefined;
    await Promise.race([this.#store(), new Promise((resolve) => timer = setTimeout(resolve, MAX_HELD_MS))]);
    clearTimeout(timer);
  }

  async #leave(session: MeteredSession): Promise<void> {
    if (!this.#sessions.delete(session)) return;
    if (this.#sessions.size === 0) {
      clearInterval(this.#timer);
      this.#timer = undefined;
    }
    await this.#store();
    for (const delayMs of RETRY_MS) {
      if (this.#waiting.length === 0) break;
      await new Promise((resolve) => setTimeout(resolve, delayMs));
      await this.#store();
    }
    await this.#end(session);
  }

  /** Where this fails the lease runs out by itself. */
  async #end({ lease }: MeteredSession): Promise<void> {
    try {
      await this.#options.store.end(lease);
    } catch (error) {
      this.#log.warn("openai.lease_not_ended", { error });
    }
  }

  /** Stores what waits, and what comes while that is under way in one call after it. */
  #store(): Promise<void> {
    return this.#storing ??= this.#storeAll().finally(() => this.#storing = undefined);
  }

  async #storeAll(): Promise<void> {
    while (this.#waiting.length > 0 && await this.#send([]));
  }

  async #renew(): Promise<void> {
    await this.#storing;
    await this.#send([...this.#sessions].map(({ lease }) => lease));
  }

  /** Whether the store took it. */
  async #send(leases: readonly SessionLease[]): Promise<boolean> {
    const usage = this.#waiting;
    this.#waiting = [];
    const { store, limits } = this.#options;
    let over: ReadonlySet<string>;
    try {
      over = new Set(await store.record({ usage, leases }, limits, LEASE_MS));
    } catch (error) {
      this.#waiting = [...usage, ...this.#waiting];
      this.#failed(error);
      return false;
    }
    this.#failingSince = undefined;
    this.#endThose(({ lease }) => over.has(lease.userId), "budget_exceeded");
    return true;
  }

  #failed(error: unknown): void {
    this.#failingSince ??= Date.now();
    this.#log.error("openai.usage_not_stored", { error, waiting: this.#waiting.length });
    if (Date.now() - this.#failingSince >= LEASE_MS) this.#endThose(() => true, "store_unavailable");
  }

  #endThose(isMeant: (session: MeteredSession) => boolean, code: ErrorCode): void {
    for (const session of this.#sessions) if (isMeant(session)) session.stop(code);
  }
}

/** What a session asks of its meter. */
interface MeterOfSession {
  /** Why the session may not begin, if it may not. */
  admit(session: MeteredSession): Promise<ErrorCode | undefined>;
  record(session: MeteredSession, usage: Usage): Promise<void>;
  leave(session: MeteredSession): Promise<void>;
}

class MeteredSession implements Stage {
  readonly serverEvents: ReadonlySet<string> = new Set(USAGE_EVENTS);
  readonly arrivals: ReadonlySet<string> = new Set([
    ...USAGE_EVENTS,
    "session.created",
    "session.updated",
    "response.created",
    "input_audio_buffer.committed",
    "conversation.item.input_audio_transcription.failed",
    "error",
  ]);
  readonly lease: SessionLease;
  readonly #meter: MeterOfSession;
  readonly #model: string;
  #transcriptionModel = "";
  /** Whether the upstream has shown that it is there. */
  #isThere = false;
  /** Whether OpenAI answers what is said without being asked to. */
  #answersByItself = false;
  /** The responses that were asked for and have not begun, the oldest first: the ids of what asked, if they have any. */
  #asked: unknown[] = [];
  /** Reaches the upstream once it is about to be closed. */
  #sendAtLast: ((event: RealtimeEvent) => void) | undefined;
  /** The responses that are under way, and the items that are being transcribed: what they use is still to be told. */
  readonly #responses = new Set<unknown>();
  readonly #transcribed = new Set<unknown>();
  #onHeard: (() => void) | undefined;
  #heard: Promise<void> | undefined;
  /** What is being stored, by the response or item whose end waits for it on the way to the client. */
  readonly #recording = new Map<string, Promise<void>>();
  #output: StageOutput | undefined;
  /** Why it was stopped while the end of a response was held back. */
  #stopped: ErrorCode | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isClosed = false;

  constructor({ userId, sessionId, model }: SessionInfo, meter: MeterOfSession) {
    const lease = crypto.randomUUID();
    this.lease = { userId, sessionId: sessionId ?? lease, lease };
    this.#model = model;
    this.#meter = meter;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  async open(output: StageOutput): Promise<void> {
    this.#output = output;
    const refusal = await this.#meter.admit(this);
    if (refusal !== undefined) this.stop(refusal);
  }

  arrived(event: RealtimeEvent): void {
    switch (event.type) {
      case "session.created":
      case "session.updated":
        this.#isThere = true;
        this.#transcriptionModel = transcriptionModelOf(event) ?? this.#transcriptionModel;
        this.#answersByItself = answersByItself(event);
        break;
      case "response.created":
        this.#begun(responseIdOf(event));
        break;
      case "input_audio_buffer.committed":
        if (this.#transcriptionModel !== "") this.#transcribed.add(event.item_id);
        if (this.#answersByItself && this.#asked.length === 0) this.#asked.push(undefined);
        break;
      case "error":
        this.#refused(event);
        break;
      default:
        this.#ended(event);
    }
  }

  fromUpstream(event: RealtimeEvent, output: StageOutput): Passed | Promise<Passed> {
    const recording = this.#recording.get(endOf(event));
    return recording === undefined ? event : recording.then(() => this.#told(event, output));
  }

  asked({ event_id: id }: RealtimeEvent): void {
    if (this.#asked.length < MAX_ASKED) this.#asked.push(id);
  }

  upstreamLost(): void {
    this.#isThere = false;
    this.#asked = [];
    this.#responses.clear();
    this.#transcribed.clear();
    this.#onHeard?.();
    this.#heard = undefined;
  }

  parting(send: (event: RealtimeEvent) => void): Promise<void> | undefined {
    this.#isThere = true;
    this.#sendAtLast = send;
    for (const id of this.#responses) send(cancel(id));
    return this.#heardAll();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#output = undefined;
    clearTimeout(this.#timer);
    await this.#heardAll();
    await this.#meter.leave(this);
  }

  /** Tells the client why, and ends both sides; what was paid for is told before that, if that is soon. */
  stop(code: ErrorCode): void {
    if (this.#output === undefined) return;
    this.#stopped = code;
    if (this.#recording.size === 0) this.#stop(code);
    else this.#timer ??= setTimeout(() => this.#stop(code), MAX_HELD_MS);
  }

  #begun(id: unknown): void {
    this.#asked.shift();
    this.#responses.add(id);
    this.#sendAtLast?.(cancel(id));
  }

  /** Of what has no id only one refusal is known for sure to answer a request for a response. */
  #refused({ error }: RealtimeEvent): void {
    const { event_id: id, code } = (error ?? {}) as { event_id?: unknown; code?: unknown };
    if (id == null && code !== "conversation_already_has_active_response") return;
    const at = this.#asked.indexOf(id ?? undefined);
    if (at === -1) return;
    this.#asked.splice(at, 1);
    if (this.#owes === 0) this.#onHeard?.();
  }

  #ended(event: RealtimeEvent): void {
    const usage = usageOf(event, { response: this.#model, transcription: this.#transcriptionModel });
    if (usage !== undefined) this.#recording.set(endOf(event), this.#meter.record(this, usage));
    if (event.type === "response.done") this.#responses.delete(responseIdOf(event));
    else this.#transcribed.delete(event.item_id);
    if (this.#owes === 0) this.#onHeard?.();
  }

  #told(event: RealtimeEvent, output: StageOutput): Passed {
    this.#recording.delete(endOf(event));
    if (this.#stopped === undefined) return event;
    output.toClient(event);
    this.stop(this.#stopped);
  }

  get #owes(): number {
    // An upstream that never was there has nothing to tell.
    return this.#responses.size + this.#transcribed.size + (this.#isThere ? this.#asked.length : 0);
  }

  /** Settles once the upstream has told what all has used, or may take no longer; `undefined` where it has. */
  #heardAll(): Promise<void> | undefined {
    if (this.#owes === 0) return undefined;
    return this.#heard ??= new Promise((resolve) => {
      const timer = setTimeout(resolve, MAX_PARTING_MS);
      this.#onHeard = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #stop(code: ErrorCode): void {
    const output = this.#output;
    if (output === undefined) return;
    this.#output = undefined;
    clearTimeout(this.#timer);
    const message = MESSAGES[code] ?? ERROR_CODES[code].title;
    const type = code === "store_unavailable" ? "server_error" : "insufficient_quota";
    output.toClient(refusalEvent({ type, code, message: `${message}.` }));
    output.end(closeCodeFor(ERROR_CODES[code].status), `${code}: ${message}`);
  }
}

const MESSAGES: Partial<Record<ErrorCode, string>> = {
  budget_exceeded: "The budget of this day is used up; the next begins at 00:00 UTC",
  too_many_sessions: "There are as many sessions as one user may have at once",
};

function cancel(response_id: unknown): RealtimeEvent {
  return { type: "response.cancel", response_id };
}

function answersByItself({ session }: RealtimeEvent): boolean {
  const { audio } = (session ?? {}) as {
    audio?: { input?: { turn_detection?: { create_response?: unknown } | null } };
  };
  const detection = audio?.input?.turn_detection;
  return detection != null && detection.create_response !== false;
}

function transcriptionModelOf({ session }: RealtimeEvent): string | undefined {
  const { audio } = (session ?? {}) as { audio?: { input?: { transcription?: { model?: unknown } | null } } };
  const model = audio?.input?.transcription?.model;
  return typeof model === "string" ? model : undefined;
}

function responseIdOf({ response }: RealtimeEvent): unknown {
  return (response as { id?: unknown } | null | undefined)?.id;
}

/** Names what has ended by one of `USAGE_EVENTS`. */
function endOf(event: RealtimeEvent): string {
  return `${event.type} ${event.type === "response.done" ? responseIdOf(event) : event.item_id}`;
}
