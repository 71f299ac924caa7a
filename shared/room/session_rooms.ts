import type { Timer, Timers } from "../connection/mod.ts";
import type { Pid } from "../process/mod.ts";
import type { Position } from "../protocol/chat_client_frames.ts";
import type { ChatServerFrame, JoinedFrame } from "../protocol/chat_server_frames.ts";
import type { LogEvent, RoomView, Store } from "../store/store.ts";
import type { Member, Room } from "./room.ts";
import type { Rooms } from "./rooms.ts";

/** What the rooms of all connections share. */
export interface SessionRoomsContext {
  readonly store: Pick<Store, "eventsSince">;
  readonly rooms: Rooms;
  readonly timers: Timers;
  readonly onError: (error: unknown) => void;
}

/** The connection whose rooms they are. */
export interface RoomsOwner {
  readonly pid: Pid;
  readonly userId: string;
  readonly name: string | undefined;
  /** It takes several events in one frame. */
  readonly batch: boolean;
  /** The room that it came for; the inbox has none. */
  readonly home: string | undefined;
  /** Sends the client a frame. */
  tell(frame: ChatServerFrame): void;
  /** It has lost a room. */
  lost(room: string): void;
  /** There is no place on this isolate for one of its rooms: it has to go. */
  turnedAway(): void;
}

/** How a room is joined. */
export interface JoinOptions {
  /** Others see it. */
  readonly present: boolean;
  /** What is answered. */
  readonly ref?: string;
}

/** Rooms that a connection joins by name, and rooms that it hears of without that: so many of each, and no more. */
const MAX_ROOMS = 2_000;
/** How long rooms that come by themselves wait for `resume`: what is replayed must come before what is new. */
const RESUME_WAIT_MS = 500;
/** Rooms that a connection has left or lost, of which it remembers so many: a client may name any room in `leave`. */
const MAX_LOST = 1_000;
/** How far back the log is searched for the event that made a user a member. */
const MEMBERSHIP_SEARCH = 200;

/** A connection's seat in one room. */
class Seat implements Member {
  readonly #rooms: SessionRooms;
  present: boolean;

  constructor(rooms: SessionRooms, present: boolean) {
    this.#rooms = rooms;
    this.present = present;
  }

  get pid(): Pid {
    return this.#rooms.owner.pid;
  }

  get userId(): string {
    return this.#rooms.owner.userId;
  }

  get name(): string | undefined {
    return this.#rooms.owner.name;
  }

  get batch(): boolean {
    return this.#rooms.owner.batch;
  }

  removed(room: string): void {
    this.#rooms.drop(room);
  }
}

/**
 * Which rooms one connection is in: those it joined, and those that it hears of because they are its user's. The latter
 * go live once the client has said where it stands in them, or after a moment.
 *
 * What the store says of memberships is of the moment it was asked: an older answer neither takes a room away that was
 * joined since, nor gives one back that was lost since.
 */
export class SessionRooms {
  /** Whose rooms they are. */
  readonly owner: RoomsOwner;
  readonly #context: SessionRoomsContext;
  /** When it came into each. */
  readonly #joined = new Map<string, number>();
  /** When it lost each; never again (Infinity) where the client itself left, until it joins. */
  #lost: Map<string, number> | undefined;
  /** Rooms that are not live yet, and whether the user was in them when the connection came. */
  #held: Map<string, { view: RoomView; wasThere: boolean }> | undefined;
  #holdTimer: Timer | undefined;
  /** How many it has joined by name. */
  #named = 0;
  /** How many are looked up before it hears of them. */
  #discovering = 0;
  /** Whether the client knows that there are more than it hears of. */
  #toldOfMore = false;
  #closed = false;

  constructor(context: SessionRoomsContext, owner: RoomsOwner) {
    this.#context = context;
    this.owner = owner;
  }

  /** Whether it hears of a room without having joined it: all of the user's in the inbox, else direct messages alone. */
  hears({ room, kind }: RoomView): boolean {
    const { home } = this.owner;
    return room !== home && (home === undefined || kind === "dm");
  }

  has(id: string): boolean {
    return this.#joined.has(id);
  }

  /** Whether it may join a room by name: one more, or one that it has joined before. */
  mayJoin(id: string): boolean {
    return this.#named < MAX_ROOMS || this.#context.rooms.get(id)?.member(this.owner.pid)?.present === true;
  }

  /** Whether rooms still wait for `resume`. */
  get isHolding(): boolean {
    return this.#held !== undefined;
  }

  /**
   * Keeps rooms from going live until the client has said where it stands in them, for a moment. Gives those that it is
   * going to hear of, which the client has to be told: the first `MAX_ROOMS`.
   */
  hold(views: readonly RoomView[]): readonly RoomView[] {
    const heard = views.slice(0, MAX_ROOMS);
    this.#toldOfMore = heard.length < views.length;
    this.#held = new Map(heard.map((view) => [view.room, { view, wasThere: true }]));
    this.#awaitResume();
    return heard;
  }

  /** Lets the rooms that wait go live from where they were when the connection came. */
  release(): void {
    this.#releaseAt(undefined);
  }

  /**
   * Takes up the positions of a client in its user's rooms, `views` as of moment `asOf`. Rooms that wait are answered
   * `joined` and go on from there; in one that is live already, what was sent since cannot be put behind what was missed.
   * Where there are too many, those with a position go first; one that has no place all the same is answered `left`.
   */
  resume(positions: Readonly<Record<string, Position>>, views: ReadonlyMap<string, RoomView>, asOf: number): void {
    if (this.#held === undefined) {
      for (const [id, position] of Object.entries(positions)) {
        const view = views.get(id);
        if (view === undefined || this.#isLost(id, asOf)) continue;
        if (this.has(id) || this.#hasPlace) this.join(view, position, { present: false });
        else this.#leaveOut(id);
      }
      return;
    }
    // A room that it does not name is one that it does not know.
    this.#held = new Map();
    for (const isNamed of [true, false]) {
      for (const [id, view] of views) {
        if (Object.hasOwn(positions, id) !== isNamed) continue;
        if (!this.hears(view) || this.has(id) || this.#isLost(id, asOf)) continue;
        if (this.#hasPlace) this.#held.set(id, { view, wasThere: false });
        else this.#leaveOut(isNamed ? id : undefined);
      }
    }
    this.#releaseAt(positions);
  }

  /** Waits for `resume` anew, where taking it up has failed. */
  holdOn(): void {
    if (this.#held !== undefined) this.#awaitResume();
  }

  /** Does not go live by itself while `resume` is taken up. */
  pauseHold(): void {
    this.#context.timers.cancel(this.#holdTimer);
    this.#holdTimer = undefined;
  }

  /** Takes a seat in a room, behind event `since` or at its end. */
  enter(room: Room, view: RoomView, since: number | undefined, present: boolean): void {
    const { rooms } = this.#context;
    const { userId } = this.owner;
    rooms.unsettled(userId);
    if (room.wasRemoved(userId, view.head)) return this.owner.lost(room.id);
    this.#joined.set(room.id, rooms.now());
    if (present) this.#named++;
    this.#lost?.delete(room.id);
    this.#held?.delete(room.id);
    rooms.join(room, new Seat(this, present), since ?? room.head);
  }

  /** Answers `joined`, replays what is after `position`, and goes live. */
  join(view: RoomView, position: Position | undefined, { present, ref }: JoinOptions): void {
    if (this.#closed) return;
    const { rooms } = this.#context;
    const already = this.has(view.room);
    if (!rooms.makePlace([view.room])) return this.turnAway();
    const room = rooms.open(view);
    const reason = position && (already ? "already_live" : room.resyncReason(position.since, position.epoch));
    const resumed = position !== undefined && reason === undefined;
    const since = resumed ? position.since : undefined;
    if (!already) this.enter(room, view, since, present);
    else if (present && rooms.appear(view.room, this.owner.pid)) this.#named++;
    if (!this.has(view.room)) return;
    const { id, head, epoch } = room;
    const seq = Math.max(head, since ?? 0);
    this.#tellJoined({ room: id, seq, epoch, resumed, ...(ref !== undefined && { ref }) });
    if (reason !== undefined) this.owner.tell({ type: "resync", room: id, reason });
  }

  /** The client leaves a room: it does not come back by itself. */
  leave(id: string): void {
    this.#lose(id, Infinity);
    this.#held?.delete(id);
    if (this.#joined.delete(id)) this.#leaveRoom(id);
  }

  /** The user is no longer a member of a room. */
  drop(id: string): void {
    this.#lose(id, this.#context.rooms.now());
    this.#held?.delete(id);
    if (!this.#joined.delete(id)) return;
    this.#leaveRoom(id);
    this.owner.lost(id);
  }

  /** Hears which rooms the user is in at moment `asOf`: leaves the others, and listens to those he was added to. */
  changed(views: readonly RoomView[], asOf: number): void {
    if (this.#closed) return;
    const ids = new Set(views.map(({ room }) => room));
    for (const [id, since] of [...this.#joined]) if (!ids.has(id) && since < asOf) this.drop(id);
    if (this.#closed) return; // Who has lost the room of his connection has lost that.
    for (const id of [...this.#held?.keys() ?? []]) if (!ids.has(id)) this.#held?.delete(id);
    for (const view of views) {
      if (this.has(view.room) || this.#isLost(view.room, asOf) || !this.hears(view)) continue;
      if (this.#held?.has(view.room)) continue;
      if (!this.#hasPlace) this.#leaveOut();
      else if (this.#held === undefined) this.#discover(view);
      else this.#held.set(view.room, { view, wasThere: false });
    }
  }

  /** Hears of a room from its end on, without being seen in it; not where it hears of too many. */
  listen(view: RoomView, since = view.head): void {
    if (this.#closed || this.has(view.room)) return;
    if (!this.#hasPlace && !this.#held?.has(view.room)) return this.#leaveOut();
    if (!this.#context.rooms.makePlace([view.room])) return this.turnAway();
    this.enter(this.#context.rooms.open(view), view, since, false);
  }

  /** Gives up, where there is no place for a room that it is to hear of: the client hears of it on another isolate. */
  turnAway(): void {
    this.close();
    this.owner.turnedAway();
  }

  /** Leaves every room. May be called twice. */
  close(): void {
    this.#closed = true;
    this.pauseHold();
    for (const id of this.#joined.keys()) this.#context.rooms.leave(id, this.owner.pid);
    this.#joined.clear();
    this.#held = undefined;
  }

  /** Whether it may hear of one more room without having joined it. */
  get #hasPlace(): boolean {
    return this.#joined.size - this.#named + this.#discovering + (this.#held?.size ?? 0) < MAX_ROOMS;
  }

  /** Says that there are more rooms than it hears of, once, and of each of which the client claimed to have a position. */
  #leaveOut(named?: string): void {
    const message = `This connection hears of ${MAX_ROOMS} rooms and no more by itself: join the others by name`;
    if (!this.#toldOfMore) this.owner.tell({ type: "error", code: "overloaded", message });
    this.#toldOfMore = true;
    if (named !== undefined) this.owner.tell({ type: "left", room: named });
  }

  #leaveRoom(id: string): void {
    if (this.#context.rooms.leave(id, this.owner.pid)) this.#named--;
  }

  #awaitResume(): void {
    this.pauseHold();
    this.#holdTimer = this.#context.timers.after(RESUME_WAIT_MS, this, (rooms) => rooms.release());
  }

  #releaseAt(positions: Readonly<Record<string, Position>> | undefined): void {
    this.pauseHold();
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const [id, { view, wasThere }] of held) {
      if (this.#closed) return;
      if (positions !== undefined && Object.hasOwn(positions, id)) this.join(view, positions[id], { present: false });
      else if (wasThere) this.listen(view);
      else this.#discover(view);
    }
  }

  #lose(id: string, at: number): void {
    const lost = this.#lost ??= new Map();
    lost.delete(id); // So that the first of them is always the oldest.
    lost.set(id, at);
    if (lost.size > MAX_LOST) lost.delete(lost.keys().next().value!);
    this.#context.rooms.unsettled(this.owner.userId);
  }

  #isLost(id: string, asOf: number): boolean {
    const lostAt = this.#lost?.get(id);
    return lostAt !== undefined && lostAt >= asOf;
  }

  /** Hears of a room that the user was added to, from the event on that made him a member. */
  #discover(view: RoomView): void {
    const { rooms, onError } = this.#context;
    const asOf = rooms.now();
    rooms.unsettled(this.owner.userId); // Until it is in that room, or is known not to be.
    this.#discovering++;
    this.#memberSince(view).finally(() => this.#discovering--).then((since) => {
      if (since === undefined || this.#closed || this.has(view.room) || this.#isLost(view.room, asOf)) return;
      if (!this.#hasPlace) return this.#leaveOut();
      if (!rooms.makePlace([view.room])) return this.turnAway();
      const { id, epoch } = rooms.open(view);
      this.#tellJoined({ room: id, seq: since, epoch, resumed: false });
      this.listen(view, since);
    }).catch(onError);
  }

  /** Answers `joined` with all who are there; where a frame does not hold them, they come behind it. */
  #tellJoined(joined: Omit<JoinedFrame, "type" | "members">): void {
    const list = this.#context.rooms.present(joined.room);
    const { state: members } = list?.length === 1 ? list[0]! : {};
    this.owner.tell({ type: "joined", ...joined, ...(members && { members }) });
    if (members !== undefined) return;
    for (const part of list ?? []) this.owner.tell({ type: "presence", room: joined.room, ...part });
  }

  /** The `seq` before the event that made the user a member; `undefined` where a later one ended that. */
  async #memberSince({ room, head }: RoomView): Promise<number | undefined> {
    let last: LogEvent | undefined;
    for (let since = Math.max(0, head - MEMBERSHIP_SEARCH); since < head;) {
      const { events = [] } = await this.#context.store.eventsSince(room, since, MEMBERSHIP_SEARCH) ?? {};
      if (events.length === 0) break;
      const isOwn = ({ frame }: LogEvent) => frame.type === "member" && frame.user_id === this.owner.userId;
      last = events.findLast(isOwn) ?? last;
      since = events.at(-1)!.seq;
    }
    if (last?.frame.type !== "member" || last.frame.change === "role") return head;
    return last.frame.change === "added" ? last.seq - 1 : undefined;
  }
}
