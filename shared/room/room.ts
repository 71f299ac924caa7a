import type { SendMessage } from "../connection/mod.ts";
import type { Pid, Recipient } from "../process/mod.ts";
import type { LogFrame } from "../protocol/chat_server_frames.ts";
import type { LogEvent, Store } from "../store/store.ts";
import { batchOf, BatchWindow } from "./batch_window.ts";
import { encodeFrame } from "./encode_frame.ts";
import { EventRing } from "./event_ring.ts";
import type { RingBudget } from "./ring_budget.ts";
import type { RoomCounters } from "./room_counters.ts";

/** A connection in a room. */
export interface Member {
  /** The pid of the connection. */
  readonly pid: Pid;
  readonly userId: string;
  readonly name?: string;
  /** It takes several events in one frame. */
  readonly batch: boolean;
  /** Others see it: it joined this room by name, and does not only hear of it because it is its user's. */
  present: boolean;
  /** The user is no longer a member: the room has let go of the connection. */
  removed(room: string): void;
}

/** What a room needs of its isolate. */
export interface RoomContext {
  readonly store: Pick<Store, "eventsSince">;
  /** The connection that is sent its frames, as topic `ws.send`. */
  readonly recipient: (pid: Pid) => Recipient;
  /** Waits until a connection has room for more, or is gone. */
  readonly drained: (pid: Pid) => Promise<void>;
  /** Closes a connection that cannot be served, so that it comes back and resumes. */
  readonly drop: (pid: Pid) => void;
  /** A user was removed from the room. */
  readonly removed: (room: string, userId: string) => void;
  readonly onError: (error: unknown) => void;
  readonly counters: RoomCounters;
  /** What the rings of all its rooms hold. */
  readonly rings: RingBudget;
  readonly limits: RoomLimits;
}

/** The bounds of a room on one isolate, and of all of them. */
export interface RoomLimits {
  /** Events, and characters of their frames, kept for those who come back. */
  readonly ringEvents: number;
  readonly ringChars: number;
  /** Characters of frames that all rooms keep together. */
  readonly ringCharsTotal: number;
  /** A client that misses more is told to read the history instead. */
  readonly maxReplayEvents: number;
  /** How long events that came too early wait for those before them, in milliseconds. */
  readonly gapWaitMs: number;
  /** How long the window of batches is, in milliseconds. */
  readonly batchWindowMs: number;
}

export const ROOM_LIMITS: RoomLimits = {
  ringEvents: 500,
  ringChars: 512 * 1024,
  ringCharsTotal: 16 * 1024 * 1024,
  maxReplayEvents: 5_000,
  gapWaitMs: 25,
  batchWindowMs: 13,
};

/** Why a client must read the history instead of a replay. */
export type ResyncReason = "epoch_changed" | "too_old" | "too_far_behind" | "ahead_of_log" | "already_live";

const REPLAY_PAGE = 200;
/** Characters that are sent to one member before it has to take them: a page may hold much more than a socket should. */
const REPLAY_CHARS = 128 * 1024;
/** The same as one batch, for the runtime keeps a buffer as large as the largest frame for as long as its socket lives. */
const REPLAY_BATCH_CHARS = 16 * 1024;
/** What does not fit is read from the store. */
const MAX_EARLY_EVENTS = 200;
const MAX_REMOVALS = 1_000;

interface Seat {
  readonly member: Member;
  /** Looked up when the member comes, as each event goes to each of them. */
  readonly connection: Recipient;
  /** Everything up to this `seq` was sent to it. Only kept while it catches up. */
  position: number;
  left: boolean;
}

/**
 * A room as one isolate holds it: the members that are connected here, and the end of its log. It hands events on in
 * `seq` order, each once, whatever order, doubles or losses they arrive with: one that is known is dropped, one that is
 * early waits while what is before it is read from the store.
 */
export class Room {
  readonly id: string;
  readonly #context: RoomContext;
  readonly #seats = new Map<Pid, Seat>();
  /** Live members by how they take frames; those who catch up are in neither. */
  readonly #single = new Set<Recipient>();
  readonly #batched = new Set<Recipient>();
  readonly #ring: EventRing;
  readonly #window: BatchWindow;
  readonly #early = new Map<number, LogEvent>();
  #epoch: string;
  /** Which log this is, of those that it has held: what was asked about another one is an answer about nothing here. */
  #log = 0;
  #head: number;
  /** The highest `seq` that is known to exist. */
  #target: number;
  #filling: Promise<void> | undefined;
  /** Pages that are being read for replays, by the `seq` before them. */
  readonly #reading = new Map<number, Promise<string[] | undefined>>();
  /** The `seq` with which users were removed, of as many as there is reason to remember. */
  readonly #removals = new Map<string, number>();
  #gapTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(id: string, at: { epoch: string; head: number }, context: RoomContext) {
    const { limits } = context;
    this.id = id;
    this.#context = context;
    this.#epoch = at.epoch;
    this.#head = at.head;
    this.#target = at.head;
    this.#ring = new EventRing(at.head, limits.ringEvents, limits.ringChars, context.rings);
    this.#window = new BatchWindow(limits.batchWindowMs, (data) => sendTo(this.#batched, data));
  }

  get epoch(): string {
    return this.#epoch;
  }

  /** The `seq` of the newest event that was handed on. */
  get head(): number {
    return this.#head;
  }

  get isEmpty(): boolean {
    return this.#seats.size === 0;
  }

  /** How many connections hear what happens in it. */
  get size(): number {
    return this.#seats.size;
  }

  /** The member with this connection. */
  member(pid: Pid): Member | undefined {
    return this.#seats.get(pid)?.member;
  }

  /**
   * Takes a member in that has everything up to `position`: what is after it is replayed, then it is live, without a
   * gap in between.
   */
  join(member: Member, position: number): void {
    const seat: Seat = { member, connection: this.#context.recipient(member.pid), position, left: false };
    this.#seats.set(member.pid, seat);
    // Where the client, or the store, is ahead of this isolate, what is missing is read first: none of it twice.
    if (position === this.#head) this.#goLive(seat);
    else this.#replay(seat).catch((error) => this.#dropSeat(seat, error));
    if (this.#head < this.#target) this.#fill().catch(this.#context.onError);
  }

  /** Lets a member go, and gives it where it was one. */
  leave(pid: Pid): Member | undefined {
    const seat = this.#seats.get(pid);
    if (seat === undefined) return undefined;
    seat.left = true;
    this.#seats.delete(pid);
    this.#single.delete(seat.connection);
    this.#batched.delete(seat.connection);
    if (this.#seats.size === 0) this.#early.clear();
    return seat.member;
  }

  /** Whether a user was removed after event `seq`, at which he was a member. */
  wasRemoved(userId: string, seq: number): boolean {
    return (this.#removals.get(userId) ?? 0) > seq;
  }

  /** Whether a client at `since` of `epoch` can go on from there; `undefined`: yes. */
  resyncReason(since: number, epoch: string | undefined): ResyncReason | undefined {
    if (epoch !== undefined && epoch !== this.#epoch) return "epoch_changed";
    if (since > this.#target) return "ahead_of_log";
    if (this.#head - since > this.#context.limits.maxReplayEvents) return "too_far_behind";
  }

  /** Takes an event in, from a write of this isolate, from the bus or from the store, in any order. */
  receive(event: LogEvent, encoded?: string): void {
    if (event.seq <= this.#head) return;
    if (event.seq > this.#target) this.#target = event.seq;
    if (event.seq > this.#head + 1) return this.#keepEarly(event);
    this.#deliver(event, encoded);
    for (let next = this.#takeEarly(); next !== undefined; next = this.#takeEarly()) this.#deliver(next);
  }

  /** Hears from the store where the log ends, and reads what is missing here. */
  noticeHead(epoch: string, head: number): void {
    if (epoch !== this.#epoch) return this.#begin(epoch, head);
    if (head <= this.#target && this.#target === this.#head) return;
    this.#target = Math.max(this.#target, head);
    this.#fill().catch(this.#context.onError);
  }

  /** The connections of a user that are in the room here. */
  connectionsOf(userId: string): readonly Recipient[] {
    const connections: Recipient[] = [];
    for (const { member, connection } of this.#seats.values()) {
      if (member.userId === userId) connections.push(connection);
    }
    return connections;
  }

  /** Sends a passing frame to all members here but one connection, or to some of their connections alone. */
  broadcast(
    data: string,
    { except, only }: { except?: Pid | undefined; only?: readonly Recipient[] | undefined } = {},
  ): void {
    const frame: SendMessage = { type: "text", data };
    if (only !== undefined) {
      for (const connection of only) if (connection.pid !== except) connection.send("ws.send", frame);
      return;
    }
    for (const { member, connection } of this.#seats.values()) {
      if (member.pid !== except) connection.send("ws.send", frame);
    }
  }

  /** Releases its timers, and what it keeps. */
  close(): void {
    this.#ring.clear();
    clearTimeout(this.#gapTimer);
    this.#window.close();
  }

  #deliver({ seq, frame }: LogEvent, encoded = encodeFrame(frame)): void {
    this.#head = seq;
    this.#context.counters.events++;
    this.#ring.push(seq, encoded);
    sendTo(this.#single, encoded);
    if (this.#batched.size > 0) this.#window.add(encoded);
    // What was deleted or written otherwise must not come out of memory again: the store has it as it is now.
    if (frame.type === "message_deleted" || frame.type === "message_edited") this.#ring.reset(seq);
    else if (frame.type === "member") this.#noteMember(frame);
  }

  #noteMember({ user_id, change, seq }: Extract<LogFrame, { type: "member" }>): void {
    this.#removals.delete(user_id);
    if (change !== "removed") return;
    this.#removals.set(user_id, seq);
    if (this.#removals.size > MAX_REMOVALS) this.#removals.delete(this.#removals.keys().next().value!);
    this.#remove(user_id);
  }

  /** The user has heard of his removal, as the last event; he must not hear of anything after it. */
  #remove(userId: string): void {
    this.#window.flush();
    for (const { member } of [...this.#seats.values()]) {
      if (member.userId === userId) member.removed(this.id);
    }
    this.#context.removed(this.id, userId);
  }

  #goLive(seat: Seat): void {
    if (!seat.member.batch) this.#single.add(seat.connection);
    else {
      // What waits in the window is behind the newcomer already.
      this.#window.flush();
      this.#batched.add(seat.connection);
    }
  }

  /** Sends a member what it misses, page by page as it can take them, until it stands where the room does. */
  async #replay(seat: Seat): Promise<void> {
    // In a later turn, so that whoever joins can answer the client before the first event.
    await Promise.resolve();
    while (!seat.left && seat.position !== this.#head) {
      if (seat.position > this.#head) {
        await this.#fill();
        if (seat.position > this.#head) return this.#resync(seat, "ahead_of_log");
        continue;
      }
      const log = this.#log;
      const frames = this.#ring.since(seat.position, REPLAY_PAGE) ?? await this.#readFrames(seat.position);
      if (seat.left) return;
      if (log !== this.#log) continue; // It was told of that, and stands where this one began.
      if (frames === undefined || frames.length === 0) return this.#resync(seat, "too_old");
      await this.#sendReplay(seat, frames);
    }
    if (!seat.left) this.#goLive(seat);
  }

  /** Sends frames in slices that the member can take, and moves it on, for as long as the log is the one they are of. */
  async #sendReplay(seat: Seat, frames: readonly string[]): Promise<void> {
    const { connection, member: { pid, batch } } = seat;
    const mostChars = batch ? REPLAY_BATCH_CHARS : REPLAY_CHARS;
    const log = this.#log;
    for (let from = 0; from < frames.length && !seat.left && log === this.#log;) {
      let to = from;
      let chars = 0;
      while (to < frames.length && (to === from || chars + frames[to]!.length <= mostChars)) {
        chars += frames[to++]!.length;
      }
      const slice = frames.slice(from, to);
      for (const data of batch ? [batchOf(slice)] : slice) connection.send("ws.send", { type: "text", data });
      seat.position += slice.length;
      from = to;
      if (seat.position < this.#head) await this.#context.drained(pid);
    }
  }

  /** A page of the store, one call for all who stand at `since`: after a hand-over many come from the same place. */
  #readFrames(since: number): Promise<string[] | undefined> {
    const underWay = this.#reading.get(since);
    if (underWay !== undefined) return underWay;
    const reading = this.#readPage(since).finally(() => {
      if (this.#reading.get(since) === reading) this.#reading.delete(since);
    });
    this.#reading.set(since, reading);
    return reading;
  }

  /** `undefined` where the log no longer reaches back to `since`. */
  async #readPage(since: number): Promise<string[] | undefined> {
    const epoch = this.#epoch;
    const page = await this.#context.store.eventsSince(this.id, since, REPLAY_PAGE);
    if (page === undefined || page.epoch !== epoch || page.floor > since) return undefined;
    // Events that this isolate has not handed on yet come to the member when it is live.
    return page.events.filter(({ seq }) => seq <= this.#head).map(({ frame }) => encodeFrame(frame));
  }

  #dropSeat(seat: Seat, error: unknown): void {
    this.#context.onError(error);
    if (!seat.left) this.#context.drop(seat.member.pid);
  }

  #resync(seat: Seat, reason: ResyncReason): void {
    this.#context.counters.resyncs++;
    seat.connection.send("ws.send", resyncFrame(this.id, reason));
    this.#goLive(seat);
  }

  #keepEarly(event: LogEvent): void {
    if (this.#seats.size === 0) return; // Nothing is read for nobody: who comes has all of it read.
    if (this.#early.size < MAX_EARLY_EVENTS) this.#early.set(event.seq, event);
    // A bus that reorders brings what is missing within moments: reading at once would cost a call for each swap.
    this.#gapTimer ??= setTimeout(() => {
      this.#gapTimer = undefined;
      if (this.#head < this.#target) this.#fill().catch(this.#context.onError);
    }, this.#context.limits.gapWaitMs);
  }

  #takeEarly(): LogEvent | undefined {
    if (this.#early.size === 0) return undefined;
    const event = this.#early.get(this.#head + 1);
    if (event !== undefined) this.#early.delete(event.seq);
    return event;
  }

  /** Reads what is missing up to the highest `seq` that is known to exist; once at a time. */
  #fill(): Promise<void> {
    // Nobody to read for; and one who joins in this very turn must not be given a promise that has read nothing.
    if (this.#seats.size === 0) return Promise.resolve();
    return this.#filling ??= this.#readMissing().finally(() => this.#filling = undefined);
  }

  async #readMissing(): Promise<void> {
    while (this.#head < this.#target && this.#seats.size > 0) {
      const log = this.#log;
      const page = await this.#context.store.eventsSince(this.id, this.#head, REPLAY_PAGE);
      if (page === undefined || this.#seats.size === 0) return;
      if (log !== this.#log) continue; // An answer about the log before this one.
      if (page.epoch !== this.#epoch || page.floor > this.#head) return this.#begin(page.epoch, page.head);
      if (page.events.length === 0) return;
      this.#context.counters.gapsFilled++;
      this.#context.counters.eventsFilled += page.events.length;
      for (const event of page.events) this.receive(event);
    }
    this.#dropKnown();
  }

  #dropKnown(): void {
    for (const seq of this.#early.keys()) if (seq <= this.#head) this.#early.delete(seq);
  }

  /** The log is another one, or its beginning is gone: everyone here starts from its end. */
  #begin(epoch: string, head: number): void {
    const reason: ResyncReason = epoch === this.#epoch ? "too_old" : "epoch_changed";
    this.#window.flush();
    this.#epoch = epoch;
    this.#log++;
    this.#head = head;
    this.#target = head;
    this.#early.clear();
    this.#reading.clear();
    this.#ring.reset(head);
    for (const seat of this.#seats.values()) {
      seat.position = head;
      this.#context.counters.resyncs++;
      seat.connection.send("ws.send", resyncFrame(this.id, reason));
    }
  }
}

/** One frame for all of them: it is neither encoded nor made again for each. */
function sendTo(connections: ReadonlySet<Recipient>, data: string): void {
  const frame: SendMessage = { type: "text", data };
  for (const connection of connections) connection.send("ws.send", frame);
}

function resyncFrame(room: string, reason: ResyncReason): SendMessage {
  return { type: "text", data: JSON.stringify({ type: "resync", room, reason }) };
}
