import type { BufferBudget } from "../../connection/mod.ts";
import { HAND_OVER_FRAME } from "../../protocol/relay_frames.ts";
import { type FrameData, FrameQueue } from "../frame_queue.ts";
import type { Departure, Interceptor, PipeEnds } from "../interceptor.ts";
import { EventFrame } from "./event_frame.ts";
import { createEventId } from "./event_id.ts";
import { parseClientFrame } from "./parse_client_frame.ts";
import { createId, planRebuild, type RebuildPlan } from "./plan_rebuild.ts";
import type { Recorder } from "./recorder.ts";
import { refusalEvent } from "./refusal_event.ts";
import type { SessionRecord } from "./session_store.ts";
import type { Passed, RealtimeEvent, Stage, StageOutput } from "./stage.ts";
import { LaneOverflow, StageLane } from "./stage_lane.ts";

/** The bounds of a session. */
export interface SessionLimits {
  /** What may wait for a stage, or for the upstream to be ready, in each direction. */
  readonly maxQueuedFrames: number;
  readonly maxQueuedBytes: number;
  /** How long a conversation may take to be rebuilt once its upstream is dialled, in milliseconds. */
  readonly rebuildTimeoutMs: number;
  /**
   * How long an upstream of which the client has asked a response may say nothing at all, in milliseconds. Then it counts as
   * lost: a way to it that is gone shows in nothing else.
   */
  readonly answerTimeoutMs: number;
}

/** What a session is made of. */
export interface OpenAiSessionOptions {
  /** In the order in which a client's events pass them. */
  readonly stages: readonly Stage[];
  /** Records the conversation, and knows what was recorded before; left out, nothing is kept. */
  readonly recorder?: Recorder;
  /** Whether the client is told before a hand-over, and says by the same frame that nothing comes from it any more. */
  readonly announcesHandOver?: boolean;
  readonly limits: SessionLimits;
  /** What its queues may hold together with all others of the isolate; left out, `limits` alone count. */
  readonly buffers?: BufferBudget;
  /** Keeps the isolate until what is left to do has been done. */
  waitUntil(promise: Promise<unknown>): void;
  /** `text` without the key, should it be in there: errors of the upstream may quote it. */
  redact(text: string): string;
  /** Hears of what went wrong, in a line without secrets. */
  onFailure(line: string): void;
  /** The stages have let it begin. */
  onAdmitted?(): void;
  /** The session is over. */
  onEnd?(): unknown;
}

/**
 * - `opening`: the stages are asked; nothing passes, and what they send upstream is kept for each upstream to come.
 * - `rebuilding`: an upstream is given the conversation; what the client sends waits in front of the recorder.
 * - `live`: events pass.
 * - `over`: both sides are being closed.
 */
type Phase = "opening" | "rebuilding" | "live" | "over";

/** A conversation on its way into a fresh upstream. */
interface Rebuild extends RebuildPlan {
  /** The `session.update`s that are not answered. */
  updates: number;
  /** Shown where the client has seen none, but not before: it would send on into a conversation that is not there yet. */
  created?: EventFrame;
  /** The answer to the last one. */
  updated?: EventFrame;
  /** The items that are not confirmed, by the id of the event that creates each. */
  readonly unconfirmed: Set<string>;
  /** Items that the upstream does not have: nothing was left of them to create, or it refused them. */
  readonly missing: string[];
  readonly showsCreated: boolean;
}

/** The closes of an upstream after which a conversation goes on with another. */
const GOES_ON: ReadonlySet<number> = new Set([1001, 1006, 1011, 1012, 1013]);
/** How many upstreams may be lost in a row without a response in between. */
const MAX_LOST = 3;
/** How long the next one waits where the conversation never got to one, for each that was lost. */
const REDIAL_MS = 100;
const TOO_MUCH_BEFORE = "Too much was sent before the session began";
const CONFIG_ID = "relay_config";
const AUDIO_DELTA = "response.output_audio.delta";
/** The ends of a connection before which the client gets all that has gone out to it. */
const TOLD: ReadonlySet<string> = new Set(["hand_over", "closed", "closed_by_target"]);

/**
 * A client's session at OpenAI, through stages; with a recorder it outlives its upstream, its connection and its isolate.
 *
 * A fresh upstream of a conversation that has begun is set up by what the stages sent in `open` and by the session as the
 * client configured it (which passes the stages again, as their rules may have changed), then by the items in order. Once
 * all is confirmed the client sees `session.created`, of the first upstream of its connection, and `session.updated`. Then
 * it is told what it may have missed, and what is due is asked for again.
 */
export class OpenAiSession implements Interceptor {
  readonly #options: OpenAiSessionOptions;
  readonly #recorder: Recorder | undefined;
  readonly #up: StageLane;
  readonly #down: StageLane;
  /** Where in the lane to the client the stages begin, behind what waits to be recorded. */
  readonly #firstStage: number;
  readonly #beforeStart: FrameQueue;
  /** The stages that hear of events as they come in. */
  readonly #listeners: readonly Stage[];
  #ends: PipeEnds | undefined;
  /** How the texts begin of the server's events that nobody here wants to see, as far as the last one tells. */
  #unseen: string | undefined;
  #phase: Phase = "opening";
  #hasLeft = false;
  readonly #opened: Stage[] = [];
  /** What came through the stages before there was an upstream. */
  #collected: RealtimeEvent[] = [];
  /** What the stages sent in `open`. */
  #setup: readonly RealtimeEvent[] = [];
  #rebuild: Rebuild | undefined;
  /** Begins the rebuild once more. */
  #redial: (() => void) | undefined;
  #rebuiltAll = Promise.withResolvers<void>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Until an upstream that owes an answer is to have spoken. */
  #awaiting: ReturnType<typeof setTimeout> | undefined;
  #lost = 0;
  #isAnnounced = false;
  #onFarewell: (() => void) | undefined;
  /** Whether the client had been told all, when both sides were ended here. */
  #wasTold = false;
  /** Rebuilt items whose `done` is still to come: the client knows them. */
  readonly #rebuilt = new Set<string>();

  constructor(options: OpenAiSessionOptions) {
    const { stages, recorder, limits, buffers } = this.#options = options;
    this.#recorder = recorder;
    this.#firstStage = recorder === undefined ? 0 : 1;
    this.#listeners = stages.filter(({ arrived }) => arrived !== undefined);
    const overflows = () => {
      this.#beforeStart.clear();
      this.#failed(new LaneOverflow(TOO_MUCH_BEFORE));
    };
    const share = buffers && { buffers, overflows };
    this.#beforeStart = new FrameQueue(limits.maxQueuedFrames, limits.maxQueuedBytes, share);
    const lane = { ...limits, buffers, failed: (cause: unknown) => this.#failed(cause) };
    const outputs = stages.map((_, index) => this.#outputOf(index));
    const ofRecorder: StageOutput = {
      toClient: (event) => this.#tell(event),
      toUpstream: (event) => this.#send(event),
      end: (code, reason) => this.end(code, reason),
    };
    const gate = { wants: () => this.#phase !== "live", handle: (event: RealtimeEvent) => this.#hold(event) };
    this.#up = new StageLane([
      ...stages.map((stage, index) => ({
        wants: () => stage.fromClient !== undefined,
        handle: (event: RealtimeEvent) => stage.fromClient!(event, outputs[index]!),
      })),
      gate,
      ...recorder === undefined ? [] : [{
        wants: () => true,
        handle: (event: RealtimeEvent) => {
          if (this.#down.isIdle) recorder.told();
          return recorder.fromClient(event, ofRecorder);
        },
      }],
    ], {
      ...lane,
      exit: (frame) => {
        if (frame.type === "response.create") this.#asked(frame.event);
        this.#ends?.toUpstream(frame.text);
      },
    });
    this.#down = new StageLane([
      ...recorder === undefined ? [] : [{
        wants: (type: string) => recorder.holds(type),
        handle: (event: RealtimeEvent) => recorder.whenStored(event),
      }],
      ...stages.map((stage, index) => laneStage(stage, (event) => stage.fromUpstream!(event, outputs[index]!)))
        .toReversed(),
    ], { ...lane, exit: (frame) => this.#ends?.toClient(frame.text) });
  }

  joined(ends: PipeEnds): void {
    this.#ends = ends;
    this.#start().catch((cause) => this.#failed(cause));
  }

  fromClient(data: FrameData): void {
    if (this.#phase === "over") return;
    if (this.#collectsFrames()) {
      if (!this.#beforeStart.put(data)) this.#failed(new LaneOverflow(TOO_MUCH_BEFORE));
    } else this.#take(data);
  }

  fromUpstream(data: FrameData): void {
    if (this.#phase === "over") return this.#hearOut(data);
    if (this.#isUnseen(data)) return this.#ends?.toClient(data);
    try {
      this.#hear(data);
    } catch (cause) {
      this.#failed(cause);
    }
  }

  #hear(data: FrameData): void {
    let frame = typeof data === "string" ? EventFrame.ofServer(data) : undefined;
    if (frame?.type === "error") frame = this.#redacted(frame);
    if (frame === undefined) return this.#ends?.toClient(data);
    this.#arrived(frame);
    if (frame.type === AUDIO_DELTA) this.#recorder?.measureAudio(frame.text);
    else if (frame.type === "response.done") this.#lost = 0;
    if (this.#rebuild !== undefined && this.#answers(this.#rebuild, frame)) return;
    if (this.#rebuilt.size > 0 && this.#isOfRebuilt(frame)) return;
    if (frame.type === "error" && this.#isExpiry(frame)) return;
    if (this.#passesUnseen(frame.type)) this.#unseen = EventFrame.startOf(frame.type);
    if (this.#recorder?.serverEvents.has(frame.type) && this.#down.isIdle) this.#recorder.told();
    this.#pass(frame);
  }

  upstreamLost(code: number, reason: string): boolean {
    for (const stage of this.#options.stages) stage.upstreamLost?.();
    const recorder = this.#recorder;
    if (recorder === undefined || (this.#phase !== "live" && this.#phase !== "rebuilding")) return false;
    this.#stopAwaiting();
    if (!GOES_ON.has(code) || ++this.#lost > MAX_LOST) return false;
    // 1001 is the end of a session as OpenAI has it, after an hour.
    if (code !== 1001) this.#options.onFailure(`OpenAI closed a session, which is rebuilt: ${code} ${reason}`);
    this.#rebuilt.clear();
    if (this.#phase === "rebuilding") this.#rebuildLater();
    else {
      this.#phase = "rebuilding";
      this.#reconnect(recorder).catch((cause) => this.#failed(cause));
    }
    return true;
  }

  /** The client has asked for a response: an upstream that says nothing from now on is lost. */
  awaitAnswer(): void {
    const asked = this.#recorder?.unanswered;
    if (asked === undefined || this.#awaiting !== undefined || this.#phase === "over") return;
    const { answerTimeoutMs } = this.#options.limits;
    const hasSpoken = this.#ends!.listen();
    this.#awaiting = setTimeout(() => {
      this.#awaiting = undefined;
      const isSilent = this.#phase === "live" && !hasSpoken() && this.#recorder!.unanswered === asked;
      if (isSilent) this.#ends!.lose(`OpenAI has not answered in ${answerTimeoutMs} ms`);
      else this.awaitAnswer();
    }, answerTimeoutMs);
  }

  drain(ready: () => void): void {
    this.#drain(ready).catch((cause) => this.#failed(cause));
  }

  left({ reason, close, isDrained }: Departure): void {
    if (this.#hasLeft) return;
    this.#hasLeft = true;
    const told = TOLD.has(reason) && isDrained && (this.#phase === "over" ? this.#wasTold : this.#hasTold);
    this.#phase = "over";
    clearTimeout(this.#timer);
    this.#stopAwaiting();
    this.#beforeStart.clear();
    this.#up.close();
    this.#down.close();
    const closing = this.#opened.map(async (stage) => await stage.close?.());
    const isOver = close?.code === 1000;
    if (this.#recorder !== undefined) closing.push(this.#recorder.end({ remove: isOver, told }));
    this.#options.waitUntil(Promise.allSettled(closing).then(() => {}));
    this.#options.onEnd?.();
  }

  parting(send: (data: FrameData) => void): Promise<void> | undefined {
    this.#stop();
    const awaited = this.#options.stages.flatMap((stage) =>
      stage.parting?.((event) => send(JSON.stringify(event))) ?? []
    );
    if (awaited.length === 0) return undefined;
    const heard = Promise.all(awaited).then(() => {});
    this.#options.waitUntil(heard);
    return heard;
  }

  /** Another connection goes on with the conversation. */
  takenOver(): void {
    this.end(4409, "taken_over: Another connection goes on with this session");
  }

  /** Ends both sides, once the client has what was sent to it before. */
  end(code: number, reason: string): void {
    if (this.#stop()) this.#ends?.end(code, reason);
  }

  /** Nothing passes any more; `false` where that was so already. */
  #stop(): boolean {
    if (this.#phase === "over") return false;
    this.#wasTold = this.#hasTold;
    this.#phase = "over";
    clearTimeout(this.#timer);
    this.#stopAwaiting();
    return true;
  }

  #stopAwaiting(): void {
    clearTimeout(this.#awaiting);
    this.#awaiting = undefined;
  }

  /** Whether nothing is on its way to the client here, nor still to be told. */
  get #hasTold(): boolean {
    return this.#phase === "live" && this.#down.isIdle;
  }

  /** Lets the client go to another isolate once no turn is under way, and by announcement where it wants one. */
  async #drain(ready: () => void): Promise<void> {
    await this.#quiet();
    if (this.#recorder !== undefined && this.#options.announcesHandOver) {
      if (this.#isAnnounced || this.#phase === "over") return;
      this.#isAnnounced = true;
      const farewell = new Promise<void>((resolve) => this.#onFarewell = resolve);
      this.#ends?.toClient(HAND_OVER_FRAME);
      await farewell;
      // What the client had sent before it heard of this is a turn as well, and ends here.
      await this.#quiet();
    }
    if (this.#phase !== "over") ready();
  }

  /** Resolves once no turn is under way, all is stored, and nothing is on its way through the stages. */
  async #quiet(): Promise<void> {
    while (!this.#isQuiet) {
      await this.#recorder?.quiet();
      await this.#up.idle();
      await this.#down.idle();
      await this.#recorder?.saved();
    }
  }

  get #isQuiet(): boolean {
    const recorder = this.#recorder;
    return this.#phase === "over" || (this.#up.isIdle && this.#down.isIdle &&
      (recorder === undefined || (recorder.isQuiet && recorder.saved() === undefined)));
  }

  /** Records an event of the upstream, and sends it through the stages. */
  #pass(frame: EventFrame): void {
    const recorder = this.#recorder;
    if (recorder === undefined || !recorder.serverEvents.has(frame.type)) return this.#down.enter(frame);
    const told = recorder.fromUpstream(frame.event);
    if (told !== undefined) this.#down.enter(frame.replaced(told));
  }

  /** Most that a model says comes in pieces of one kind: each passes as the one before did, without a look at more of it. */
  #isUnseen(data: FrameData): boolean {
    return this.#unseen !== undefined && typeof data === "string" && data.startsWith(this.#unseen) &&
      this.#down.isIdle;
  }

  #arrived(frame: EventFrame): void {
    for (const stage of this.#listeners) if (stage.arrivals?.has(frame.type)) stage.arrived!(frame.event);
  }

  #asked(create: RealtimeEvent): void {
    for (const stage of this.#options.stages) stage.asked?.(create);
  }

  /** An upstream whose session is over has something to say. */
  #hearOut(data: FrameData): void {
    const frame = typeof data === "string" ? EventFrame.ofServer(data) : undefined;
    if (frame === undefined) return;
    try {
      this.#arrived(frame);
    } catch {
      // It is no event after all, and there is nothing left that could fail.
    }
  }

  #passesUnseen(type: string): boolean {
    // Errors are redacted, and the end of a response is counted; a recorder measures audio.
    return type.endsWith(".delta") && !(this.#recorder !== undefined && type === AUDIO_DELTA) &&
      !this.#down.wants(type);
  }

  #outputOf(index: number): StageOutput {
    const behind = this.#firstStage + this.#options.stages.length - index;
    return {
      toClient: (event) => this.#down.enter(EventFrame.of(event), behind),
      toUpstream: (event) => this.#up.enter(EventFrame.of(event), index + 1),
      end: (code, reason) => this.end(code, reason),
    };
  }

  async #start(): Promise<void> {
    for (const [index, stage] of this.#options.stages.entries()) {
      this.#opened.push(stage);
      const opening = stage.open?.(this.#outputOf(index));
      if (opening !== undefined) await opening;
      if (this.#phase !== "opening") return;
    }
    this.#options.onAdmitted?.();
    if (this.#phase !== "opening") return;
    this.#setup = await this.#collect();
    if (this.#recorder === undefined) return this.#connect(this.#setup);
    const record = await this.#claim(this.#recorder);
    if (record === undefined || this.#phase !== "opening") return;
    if (!hasBegun(record)) return this.#connect(this.#setup);
    if (record.config !== null) this.#up.enter(EventFrame.of(configure(record.config)));
    const config = await this.#collect();
    if (this.#phase === "opening") this.#connect([...this.#setup, ...config], record, { showsCreated: true });
  }

  /** What has come through the stages, once all has that was on its way. */
  async #collect(): Promise<readonly RealtimeEvent[]> {
    await this.#up.idle();
    const collected = this.#collected;
    this.#collected = [];
    return collected;
  }

  async #claim(recorder: Recorder): Promise<SessionRecord | undefined> {
    try {
      const claim = await recorder.claim();
      if (typeof claim !== "string") return claim;
      if (claim === "taken_over") this.takenOver();
      else this.end(4403, "forbidden: There is no such user in the database of this project");
    } catch (cause) {
      this.#options.onFailure(`The conversation could not be read: ${(cause as Error).message}`);
      this.end(1013, "store_unavailable: The conversation could not be read");
    }
  }

  async #reconnect(recorder: Recorder): Promise<void> {
    // What the last upstream said is recorded before it counts as gone.
    await this.#down.idle();
    if (this.#phase !== "rebuilding") return;
    const record = recorder.stop();
    const config = record.config === null ? [] : [configure(record.config)];
    this.#connect([...this.#setup, ...config], record, { showsCreated: false });
  }

  #rebuildLater(): void {
    clearTimeout(this.#timer);
    this.#rebuild = undefined;
    this.#timer = setTimeout(() => this.#redial?.(), this.#lost * REDIAL_MS);
  }

  #connect(
    setup: readonly RealtimeEvent[],
    record?: SessionRecord,
    { showsCreated = true } = {},
  ): void {
    const plan = record && planRebuild(record);
    const sent = plan && !setup.some(isUpdate) ? [...setup, configure({})] : setup;
    const updates = sent.filter(isUpdate).length;
    this.#phase = plan === undefined ? "live" : "rebuilding";
    this.#ends?.dial();
    for (const event of sent) this.#send(event);
    if (plan === undefined) this.#recorder?.start(updates);
    else {
      this.#redial = () => this.#connect(setup, record, { showsCreated });
      const unconfirmed = new Set(plan.creates.keys());
      this.#rebuild = { ...plan, updates, unconfirmed, missing: notRebuilt(record!, plan), showsCreated };
      this.#timer = setTimeout(() => {
        this.#options.onFailure("OpenAI did not confirm a conversation in time");
        this.end(4504, "upstream_timeout: The conversation could not be rebuilt in time");
      }, this.#options.limits.rebuildTimeoutMs);
      for (const event of plan.creates.values()) this.#send(event);
    }
    while (!this.#beforeStart.isEmpty) this.#take(this.#beforeStart.take()!);
  }

  #collectsFrames(): boolean {
    return this.#phase === "opening" || !this.#beforeStart.isEmpty;
  }

  #send(event: RealtimeEvent): void {
    this.#ends?.toUpstream(JSON.stringify(event));
  }

  #take(data: FrameData): void {
    if (data === HAND_OVER_FRAME && this.#onFarewell !== undefined) return this.#onFarewell();
    const frame = parseClientFrame(data);
    if (frame.ok) this.#up.enter(frame.value);
    else this.#ends?.toClient(JSON.stringify(refusalEvent(frame.error)));
  }

  /** Stands in front of the recorder while no upstream is ready for what comes. */
  #hold(event: RealtimeEvent): Passed | Promise<Passed> {
    if (this.#phase === "opening") {
      this.#collected.push(event);
      return undefined;
    }
    return this.#phase === "rebuilding" ? this.#rebuiltAll.promise.then(() => event) : event;
  }

  /** Whether an event of the upstream answers the rebuild, which the client is not to see. */
  #answers(rebuild: Rebuild, frame: EventFrame): boolean {
    switch (frame.type) {
      case "session.created":
        if (rebuild.showsCreated) rebuild.created = frame;
        return true;
      case "session.updated":
        rebuild.updates--;
        rebuild.updated = frame;
        break;
      case "conversation.item.created":
      case "conversation.item.added": {
        const { id } = frame.event.item as { id: string };
        if (!rebuild.unconfirmed.delete(createId(id))) return this.#isOfRebuilt(frame);
        this.#rebuilt.add(id);
        break;
      }
      case "error": {
        const { event_id: id, message } = (frame.event.error ?? {}) as { event_id?: string | null; message?: string };
        if (id === CONFIG_ID) {
          this.#options.onFailure("OpenAI refused the session of a conversation");
          this.end(4502, "upstream_failed: The session could not be set up again");
          return true;
        }
        const create = rebuild.creates.get(id ?? "");
        if (create === undefined || !rebuild.unconfirmed.delete(id!)) return false;
        this.#options.onFailure(`OpenAI refused an item of a conversation: ${message}`);
        rebuild.missing.push(create.item.id);
        break;
      }
      default:
        return false;
    }
    if (rebuild.updates <= 0 && rebuild.unconfirmed.size === 0) this.#goOn(rebuild);
    return true;
  }

  #isOfRebuilt(frame: EventFrame): boolean {
    if (frame.type !== "conversation.item.done" && frame.type !== "conversation.item.added") return false;
    const { id } = frame.event.item as { id: string };
    return frame.type === "conversation.item.done" ? this.#rebuilt.delete(id) : this.#rebuilt.has(id);
  }

  /** OpenAI quotes a key that it refuses, in part. */
  #redacted(frame: EventFrame): EventFrame | undefined {
    const redacted = EventFrame.ofServer(this.#options.redact(frame.text));
    const error = redacted?.event.error as { code?: unknown } | null | undefined;
    if (redacted === undefined || error?.code !== "invalid_api_key") return redacted;
    this.#options.onFailure("OpenAI refuses the key: invalid_api_key");
    return redacted.replaced({ ...redacted.event, error: { ...error, message: "The relay's key was refused." } });
  }

  /** Whether OpenAI says that a session has reached its limit, which is the end of the upstream only. */
  #isExpiry(frame: EventFrame): boolean {
    return this.#recorder !== undefined && (frame.event.error as { code?: unknown } | null)?.code === "session_expired";
  }

  /** The upstream has all of the conversation. */
  #goOn({ creates, created, updated, missing, notices, due, lost, repeated }: Rebuild): void {
    clearTimeout(this.#timer);
    this.#rebuild = undefined;
    this.#redial = undefined;
    const recorder = this.#recorder!;
    recorder.start();
    this.#tellStages(creates, due.length > 0);
    for (const frame of [created, updated]) if (frame !== undefined) this.#pass(frame);
    // What was said into the upstream before, and not committed, went with it.
    this.#tell({ type: "input_audio_buffer.cleared", event_id: createEventId() });
    for (const id of missing) {
      recorder.forget(id);
      this.#tell({ type: "conversation.item.deleted", event_id: `event_${id}`, item_id: id });
    }
    for (const event of notices) this.#tell(event);
    for (const { create } of lost) {
      const message = "The response was lost with its connection, and cannot be asked for again here.";
      this.#tell(refusalEvent({ type: "server_error", code: "response_lost", message }, create));
    }
    recorder.goOn(due);
    this.#phase = "live";
    for (const event of repeated) this.#repeat(event);
    for (const { create } of due) {
      this.#asked(create);
      this.#send(create);
    }
    this.awaitAnswer();
    this.#rebuiltAll.resolve();
    this.#rebuiltAll = Promise.withResolvers();
  }

  #tellStages(creates: RebuildPlan["creates"], isAsked: boolean): void {
    const items = [...creates.values()].map(({ item }) => item);
    this.#options.stages.forEach((stage, index) => stage.rebuilt?.({ items, isAsked }, this.#outputOf(index)));
  }

  /** Asks again, by way of the recorder alone. */
  #repeat(event: RealtimeEvent): void {
    this.#up.enter(EventFrame.of(event), this.#options.stages.length + 1);
  }

  #tell(event: RealtimeEvent): void {
    this.#down.enter(EventFrame.of(event));
  }

  #failed(cause: unknown): void {
    if (cause instanceof LaneOverflow) return this.end(1013, `overloaded: ${cause.message}`);
    this.#options.onFailure(`A session failed: ${cause instanceof Error ? cause.stack ?? cause.message : cause}`);
    this.end(1011, "internal: The session failed");
  }
}

function laneStage(stage: Stage, handle: (event: RealtimeEvent) => Passed | Promise<Passed>) {
  const sees = stage.fromUpstream !== undefined;
  return { wants: (type: string) => sees && stage.serverEvents.has(type), handle };
}

function configure(config: Readonly<Record<string, unknown>>): RealtimeEvent {
  return { type: "session.update", event_id: CONFIG_ID, session: { type: "realtime", ...config } };
}

function isUpdate({ type }: RealtimeEvent): boolean {
  return type === "session.update";
}

/** What was said and not transcribed, or is nothing without its call. */
function notRebuilt({ items }: SessionRecord, { creates }: RebuildPlan): string[] {
  return items.filter(({ id }) => !creates.has(createId(id))).map(({ id }) => id);
}

function hasBegun({ config, items, due, pending }: SessionRecord): boolean {
  return config !== null || items.length + due.length + pending.length > 0;
}
