import type { FlushMessage, SendMessage } from "../connection/mod.ts";
import type { Bus, Unsubscribe } from "../bus/bus.ts";
import { added, allOf, type Few, type Pid, type Processes, removed } from "../process/mod.ts";
import type { Peers } from "../isolate/peers.ts";
import { fromBase64, toBase64 } from "../protocol/base64.ts";
import type { Failure } from "../protocol/codes.ts";
import type { LogEvent, RoomView, Store } from "../store/store.ts";
import { decodeVersions } from "./decode_versions.ts";
import { encodeFrame } from "./encode_frame.ts";
import { HeadChecks, MOST_AT_ONCE } from "./head_checks.ts";
import { decodeHint, encodeEventHint, encodeHint, type Hint, roomTopic, userTopic } from "./hint.ts";
import { PassingBudget } from "./passing_budget.ts";
import { Presence, type PresenceNews } from "./presence.ts";
import { RingBudget } from "./ring_budget.ts";
import { RoomCounters } from "./room_counters.ts";
import { type Member, Room, ROOM_LIMITS, type RoomContext, type RoomLimits } from "./room.ts";
import { type RoomsOfUser, RoomsOfUsers } from "./rooms_of_users.ts";

/** A connection as its user's other connections, and his rooms, reach it. */
export interface UserConnection {
  readonly pid: Pid;
  /** The rooms that the user is a member of, as the store had it at moment `asOf` (see `Rooms.now`). */
  roomsChanged(rooms: readonly RoomView[], asOf: number): void;
}

/** What the rooms of an isolate are given. */
export interface RoomsOptions {
  readonly store: Store;
  readonly bus: Bus;
  readonly processes: Processes;
  readonly onError: (error: unknown) => void;
  /** What its rooms do is counted here. */
  readonly counters?: RoomCounters;
  readonly limits?: Partial<RoomLimits>;
  /**
   * How often the heads of all rooms here are compared with the store's, in milliseconds; default 3,000. Up to four times
   * as long while nothing is missed: see `CheckPace`.
   */
  readonly headCheckMs?: number;
  /** The other isolates; without them presence ends at this one. */
  readonly peers?: Peers;
  /** How long a user whose last connection went is still shown as present, in milliseconds; default 2,000. */
  readonly leaveGraceMs?: number;
  /**
   * How long a room is kept after its last connection here has gone, in milliseconds: its ring serves one who comes
   * back, and what was said of its presence can be said again. Default 20,000.
   */
  readonly lingerMs?: number;
  /** How many rooms may be open here, those that linger among them; default 10,000. See `makePlace`. */
  readonly maxRooms?: number;
}

interface OpenRoom {
  readonly room: Room;
  readonly presence: Presence;
  /** Raw connections, and whose they are. */
  readonly raw: Map<Pid, string>;
  unsubscribe: Unsubscribe;
  closing?: ReturnType<typeof setTimeout>;
}

interface OpenUser {
  connections: Few<UserConnection>;
  /** Of the rooms that were told of last; `undefined` until they have been, or where they may not have been taken up. */
  digest: string | undefined;
  /** When that was so, as a moment of `now`. */
  unsettledAt: number;
  readonly unsubscribe: Unsubscribe;
}

/** Beats remind of presence while they reach no more isolates than this, and of so many rooms; beyond, each room's topic does. */
const MOST_REMINDED_BY_BEAT = 50;
const MOST_VERSIONS = 500;
/** There is no place for another room: see `Rooms.makePlace`. */
export const NO_PLACE: Failure = {
  code: "overloaded",
  message: "This isolate has all the rooms it takes: connect again",
};
/** Why a raw connection is closed whose user sends more than he may to so many. */
export const RAW_OVERRUN = "rate_limited: More than may be sent to so many";

type HintOf<Kind extends Hint["kind"]> = Extract<Hint, { kind: Kind }>;

/**
 * The rooms that this isolate holds members of, and the users it holds connections of. A room is here as long as it has
 * a member here. What happens in it reaches the other isolates as a hint; a hint that is lost is made good by comparing
 * heads with the store, for all rooms in one call, every few seconds (see `CheckPace`).
 */
export class Rooms {
  readonly #store: Store;
  readonly #bus: Bus;
  readonly #isolateId: string;
  readonly #context: RoomContext;
  readonly #send: (pid: Pid, frame: SendMessage) => void;
  readonly #close: (pid: Pid, code: number, reason: string) => void;
  readonly #onError: (error: unknown) => void;
  readonly #checks: HeadChecks;
  readonly #leaveGraceMs: number;
  readonly #lingerMs: number;
  readonly #maxRooms: number;
  readonly #peers: Peers | undefined;
  readonly #rooms = new Map<string, OpenRoom>();
  readonly #users = new Map<string, OpenUser>();
  /** Rooms that nobody is in, which are closed in a while: that which has been empty longest first. */
  readonly #lingering = new Set<string>();
  readonly #passing = new PassingBudget();
  readonly #roomsOfUsers: RoomsOfUsers;
  /** Ends the beats that the others know this isolate by. */
  #endBeats: (() => void) | undefined;
  #moment = 0;
  /** Above what was told of the presence of any room that is closed: what is told of one that opens again is newer. */
  #newVersion = 0;

  constructor(
    {
      store,
      bus,
      processes,
      onError,
      counters = new RoomCounters(),
      limits,
      headCheckMs = 3_000,
      peers,
      leaveGraceMs = 2_000,
      lingerMs = 20_000,
      maxRooms = 10_000,
    }: RoomsOptions,
  ) {
    this.#store = store;
    this.#bus = bus;
    this.#isolateId = processes.isolateId;
    this.#onError = onError;
    this.#roomsOfUsers = new RoomsOfUsers(store, () => this.now());
    this.#checks = new HeadChecks({
      checkAll: () => this.checkHeads(),
      checkRooms: (ids) => this.#checkSome(ids, []),
      isNeeded: () => this.#users.size > 0,
      busFaults: () => bus.counters.dropped + bus.counters.reconnects,
      onError,
      intervalMs: headCheckMs,
    });
    this.#leaveGraceMs = leaveGraceMs;
    this.#lingerMs = lingerMs;
    this.#maxRooms = maxRooms;
    this.#peers = peers;
    peers?.onGone((isolateId) => {
      for (const { presence } of this.#rooms.values()) presence.drop(isolateId);
    });
    peers?.onReturn((isolateId) => {
      for (const { presence } of this.#rooms.values()) presence.returned(isolateId);
    });
    peers?.carry({
      take: () => this.#remindOfPresence(),
      onNote: (isolateId, note) => {
        for (const [room, version] of decodeVersions(note)) {
          this.#rooms.get(room)?.presence.hear(isolateId, { kind: "presence", version });
        }
      },
    });
    this.#send = (pid, frame) => processes.send(pid, "ws.send", frame);
    this.#close = (pid, code, reason) => processes.send(pid, "ws.close", { code, reason });
    const roomLimits = { ...ROOM_LIMITS, ...limits };
    this.#context = {
      store,
      recipient: (pid) => processes.recipient(pid),
      drained: (pid) =>
        new Promise((done) => {
          const flush: FlushMessage = { done };
          if (processes.send(pid, "ws.flush", flush) !== "ok") done();
        }),
      drop: (pid) => this.#close(pid, 1013, "store_unavailable"),
      removed: (id, userId) => this.#closeRaw(id, userId, 4403, "forbidden: You are no longer a member of this room"),
      onError,
      counters,
      rings: new RingBudget(roomLimits.ringCharsTotal),
      limits: roomLimits,
    };
  }

  /** How many rooms are open here. */
  get count(): number {
    return this.#rooms.size;
  }

  /**
   * A moment on this isolate, later than every one before: by it an answer of the store is told from what has happened
   * since it was asked.
   */
  now(): number {
    return ++this.#moment;
  }

  /** The rooms that a user is in, as the store has them now: see `RoomsOfUsers`. */
  roomsOf(userId: string): Promise<RoomsOfUser> {
    return this.#roomsOfUsers.of(userId);
  }

  /** The room, where it has members here. */
  get(id: string): Room | undefined {
    return this.#rooms.get(id)?.room;
  }

  /**
   * Whether these rooms are open here or there is a place for each of them; rooms that nobody is in any more give theirs
   * up for that. Ask in the turn in which they are opened: nothing is kept free.
   */
  makePlace(ids: readonly string[]): boolean {
    let most = this.#maxRooms;
    for (const id of ids) {
      if (!this.#rooms.has(id)) most--;
      else this.#lingering.delete(id); // It does not give its own place up.
    }
    for (const id of this.#lingering) {
      if (this.#rooms.size <= most) break;
      this.#closeEmpty(id);
    }
    return this.#rooms.size <= most;
  }

  /** Opens the room of a view that the store just gave, or finds it open and tells it of the view's head. */
  open({ room: id, epoch, head }: Pick<RoomView, "room" | "epoch" | "head">): Room {
    const { room } = this.#openRoom(id, { epoch, head });
    room.noticeHead(epoch, head);
    return room;
  }

  /** Takes a connection into an open room; the others hear of it where it is the user's first. */
  join(room: Room, member: Member, position: number): void {
    room.join(member, position);
    if (member.present) this.#rooms.get(room.id)?.presence.enter(member.userId, member.name, member.pid);
  }

  /** Shows a connection in a room that it only heard of; false where it is not in it, or shown already. */
  appear(id: string, pid: Pid): boolean {
    const open = this.#rooms.get(id);
    const member = open?.room.member(pid);
    if (member === undefined || member.present) return false;
    member.present = true;
    open?.presence.enter(member.userId, member.name, pid);
    return true;
  }

  /** Lets a connection leave a room; the others hear of it where it was the user's last. Gives whether it was shown there. */
  leave(id: string, pid: Pid): boolean {
    const open = this.#rooms.get(id);
    if (open === undefined) return false;
    const member = open.room.leave(pid);
    if (member?.present) open.presence.exit(member.userId);
    this.#closeIfEmpty(id, open);
    return member?.present === true;
  }

  /**
   * Who is in a room, over all isolates, as frames of a list with an end; `undefined` while the others are still asked, and
   * then the members here are sent them once they have answered.
   */
  present(id: string): readonly PresenceNews[] | undefined {
    return this.#rooms.get(id)?.presence.list();
  }

  /** Hands on an event that a write of this isolate has stored, here and to the other isolates. */
  stored(event: LogEvent, epoch?: string): void {
    const open = this.#rooms.get(event.room);
    const encoded = encodeFrame(event.frame);
    open?.room.receive(event, encoded);
    const hint = encodeEventHint(this.#isolateId, epoch ?? open?.room.epoch ?? "", event, encoded);
    this.#bus.publish(roomTopic(event.room), hint);
    if (event.frame.type === "member") this.membershipChanged(event.frame.user_id);
  }

  /** Has all isolates look for an event that was stored by an earlier try whose answer was lost. */
  storedBefore(id: string, seq: number): void {
    const room = this.#rooms.get(id)?.room;
    room?.noticeHead(room.epoch, seq);
    this.#publish(roomTopic(id), { kind: "head", epoch: room?.epoch ?? "", head: seq });
  }

  /**
   * Sends a passing frame of a user to the members of a room on all isolates: to all but one connection, or to one user's.
   * False where he sends too much for so many: on this isolate, which then sends it nowhere. On another one it is too much
   * for it is not handed on.
   */
  broadcast(room: Room, userId: string, frame: string, options: { except?: Pid; to?: string } = {}): boolean {
    const { except, to } = options;
    if (!this.#pass(room, userId, frame, to, except)) return false;
    this.#publish(roomTopic(room.id), { kind: "frame", user: userId, frame, ...(to !== undefined && { to }) });
    return true;
  }

  /** Takes a raw connection into a room: it hears the frames of the room's other raw connections. */
  joinRaw(view: RoomView, pid: Pid, userId: string): void {
    this.#openRoom(view.room, view).raw.set(pid, userId);
  }

  leaveRaw(id: string, pid: Pid): void {
    const open = this.#rooms.get(id);
    if (open?.raw.delete(pid)) this.#closeIfEmpty(id, open);
  }

  /** Relays a raw frame to the other raw connections of the room, on all isolates; false where its user sends too much. */
  relayRaw(id: string, from: Pid, userId: string, data: string | ArrayBuffer): boolean {
    const bytes = typeof data === "string" ? data.length : data.byteLength;
    if (!this.#passing.take(userId, bytes, this.#rooms.get(id)?.raw.size ?? 0)) return false;
    this.#sendRaw(id, data, from);
    this.#publish(
      roomTopic(id),
      typeof data === "string"
        ? { kind: "raw", user: userId, data, binary: false }
        : { kind: "raw", user: userId, data: toBase64(new Uint8Array(data)), binary: true },
    );
    return true;
  }

  /** Makes a connection reachable as one of its user's. */
  connect(userId: string, connection: UserConnection): void {
    let user = this.#users.get(userId);
    if (user === undefined) {
      const unsubscribe = this.#bus.subscribe(userTopic(userId), (text) => this.#hearUser(userId, text));
      user = { connections: undefined, digest: undefined, unsettledAt: 0, unsubscribe };
      this.#users.set(userId, user);
    }
    user.connections = added(user.connections, connection);
    this.unsettled(userId); // What it knows of its rooms may be older than what the others were told.
    this.#endBeats ??= this.#peers?.start();
    this.#checks.start();
  }

  disconnect(userId: string, connection: UserConnection): void {
    const user = this.#users.get(userId);
    if (user === undefined) return;
    user.connections = removed(user.connections, connection);
    if (user.connections !== undefined) return;
    user.unsubscribe();
    this.#users.delete(userId);
    this.#restIfEmpty();
  }

  /** Sends a frame to all connections of a user, on all isolates. */
  sendToUser(userId: string, frame: string): void {
    this.#sendToUserHere(userId, frame);
    this.#publish(userTopic(userId), { kind: "user", frame });
  }

  /** Has all isolates look up the rooms of a user, as he has a new one or one less. */
  membershipChanged(userId: string): void {
    this.#refreshUser(userId);
    this.#publish(userTopic(userId), { kind: "rooms" });
  }

  /**
   * Compares every head here with the store's now, and the rooms of every user with those that were told of; gives
   * whether the bus had told of all that is new.
   */
  async checkHeads(): Promise<boolean> {
    const rooms = [...this.#rooms.keys()];
    const users = [...this.#users.keys()];
    let isClean = true;
    for (let from = 0; from < Math.max(rooms.length, users.length); from += MOST_AT_ONCE) {
      const to = from + MOST_AT_ONCE;
      if (!await this.#checkSome(rooms.slice(from, to), users.slice(from, to))) isClean = false;
    }
    return isClean;
  }

  /** What was last told of a user's rooms may not have been taken up: the next check tells it again. */
  unsettled(userId: string): void {
    const user = this.#users.get(userId);
    if (user === undefined) return;
    user.digest = undefined;
    user.unsettledAt = this.now();
  }

  /** Ends all timers and subscriptions. */
  close(): void {
    this.#checks.close();
    this.#rest();
    for (const open of this.#rooms.values()) release(open);
    for (const { unsubscribe } of this.#users.values()) unsubscribe();
    this.#rooms.clear();
    this.#users.clear();
  }

  #openRoom(id: string, at: { epoch: string; head: number }): OpenRoom {
    const known = this.#rooms.get(id);
    if (known !== undefined) return known;
    const room = new Room(id, at, this.#context);
    this.#newVersion = Math.max(Date.now(), this.#newVersion + 1);
    const presence = new Presence({
      isolateId: this.#isolateId,
      firstVersion: this.#newVersion,
      leaveGraceMs: this.#leaveGraceMs,
      answerMs: this.#peers === undefined ? 0 : this.#bus.answerMs,
      others: () => this.#peers === undefined ? [] : this.#peers.others,
      announce: (news, except) => {
        const frame = JSON.stringify({ type: "presence", room: id, ...news });
        room.broadcast(frame, except === undefined ? {} : { except });
      },
      publish: (hint) => this.#publish(roomTopic(id), hint),
    });
    const open: OpenRoom = { room, presence, raw: new Map(), unsubscribe: () => {} };
    this.#rooms.set(id, open);
    let wasReady = false;
    let isOpen = false;
    open.unsubscribe = this.#bus.subscribe(roomTopic(id), (text) => this.#hearRoom(id, text), {
      onReady: () => {
        presence.ready();
        if (wasReady) this.#checks.afterLoss();
        // Between the view that opened it and the subscription others may have written.
        else if (isOpen) this.#checks.roomSoon(id);
        wasReady = true;
      },
    });
    isOpen = true;
    return open;
  }

  /** Reminds the others of the presence of rooms where it changed: with the beat, which all of them hear. */
  #remindOfPresence(): string | undefined {
    const versions: [string, number][] = [];
    const most = (this.#peers?.others?.length ?? 0) > MOST_REMINDED_BY_BEAT ? 0 : MOST_VERSIONS;
    for (const [id, { presence }] of this.#rooms) {
      const version = presence.beat();
      if (version === undefined) continue;
      if (versions.length < most) versions.push([id, version]);
      else this.#publish(roomTopic(id), { kind: "presence", version });
    }
    return versions.length === 0 ? undefined : JSON.stringify(versions);
  }

  #closeIfEmpty(id: string, open: OpenRoom): void {
    clearTimeout(open.closing);
    this.#lingering.delete(id);
    if (!isEmpty(open)) return;
    this.#lingering.add(id); // Behind all that were empty before.
    open.closing = setTimeout(() => this.#closeEmpty(id), this.#lingerMs);
  }

  /** Closes a room that lingers, unless somebody is in it again. */
  #closeEmpty(id: string): void {
    this.#lingering.delete(id);
    const open = this.#rooms.get(id);
    if (open === undefined || !isEmpty(open)) return;
    this.#newVersion = Math.max(this.#newVersion, open.presence.version);
    release(open);
    this.#rooms.delete(id);
    this.#restIfEmpty();
  }

  /** Needs the others no more, nor they this isolate, once nothing is left here. */
  #restIfEmpty(): void {
    if (this.#users.size === 0 && this.#rooms.size === 0) this.#rest();
  }

  #rest(): void {
    this.#endBeats?.();
    this.#endBeats = undefined;
  }

  /** Closes the raw connections of a user, who hear of nothing by events. */
  #closeRaw(id: string, userId: string, code: number, reason: string): void {
    for (const [pid, user] of this.#rooms.get(id)?.raw ?? []) if (user === userId) this.#close(pid, code, reason);
  }

  #hearRoom(id: string, text: string): void {
    const heard = decodeHint(this.#isolateId, text);
    const open = this.#rooms.get(id);
    if (heard === undefined || open === undefined) return;
    const { from, hint } = heard;
    if (from !== "") this.#peers?.heard(from);
    switch (hint.kind) {
      case "event":
        // A writer that does not hold the room itself does not know its epoch.
        if (hint.epoch === "" || hint.epoch === open.room.epoch) open.room.receive(hint.event);
        else this.#checks.now();
        return;
      case "head":
        // Only the store says that the log is another one: a hint may be late, and anything may be on a bus.
        if (hint.epoch === "" || hint.epoch === open.room.epoch) open.room.noticeHead(open.room.epoch, hint.head);
        else this.#checks.now();
        return;
      case "frame":
        return this.#hearFrame(open.room, hint);
      case "raw":
        return this.#hearRaw(id, open, hint);
      case "overrun":
        return this.#closeRaw(id, hint.user, 4429, RAW_OVERRUN);
      case "presence":
      case "present":
      case "who":
        return open.presence.hear(from, hint);
    }
  }

  #hearFrame(room: Room, { user = "", frame, to }: HintOf<"frame">): void {
    this.#pass(room, user, frame, to);
  }

  /** Sends a passing frame to those who hear it here; false where that is more than its user may send. */
  #pass(room: Room, userId: string, frame: string, to?: string, except?: Pid): boolean {
    const only = to === undefined ? undefined : room.connectionsOf(to);
    // What nobody here hears costs something too: it goes to the other isolates.
    const receivers = only === undefined ? room.size : Math.max(1, only.length);
    if (!this.#passing.take(userId, frame.length, receivers)) return false;
    room.broadcast(frame, { except, only });
    return true;
  }

  #hearRaw(id: string, { raw }: OpenRoom, { user = "", data, binary }: HintOf<"raw">): void {
    const bytes = binary ? data.length * 3 / 4 : data.length;
    if (this.#passing.take(user, bytes, raw.size)) return this.#sendRaw(id, binary ? fromBase64(data) : data);
    // Those here cannot be told that a frame is missing: the stream has to end, wherever it comes from.
    this.#publish(roomTopic(id), { kind: "overrun", user });
  }

  #hearUser(userId: string, text: string): void {
    const hint = decodeHint(this.#isolateId, text)?.hint;
    if (hint?.kind === "rooms") this.#refreshUser(userId);
    else if (hint?.kind === "user") this.#sendToUserHere(userId, hint.frame);
  }

  #sendToUserHere(userId: string, data: string): void {
    for (const { pid } of allOf(this.#users.get(userId)?.connections)) this.#send(pid, { type: "text", data });
  }

  #sendRaw(id: string, data: string | ArrayBuffer, except?: Pid): void {
    const frame = { type: typeof data === "string" ? "text" : "binary", data } as const;
    for (const pid of this.#rooms.get(id)?.raw.keys() ?? []) if (pid !== except) this.#send(pid, frame);
  }

  #publish(topic: string, hint: Hint): void {
    this.#bus.publish(topic, encodeHint(this.#isolateId, hint));
  }

  #refreshUser(userId: string): void {
    if (!this.#users.has(userId)) return;
    this.roomsOf(userId).then(({ views, asOf }) => this.#tellRooms(userId, views, asOf)).catch(this.#onError);
  }

  #tellRooms(userId: string, rooms: readonly RoomView[], asOf: number): void {
    for (const connection of [...allOf(this.#users.get(userId)?.connections)]) connection.roomsChanged(rooms, asOf);
  }

  async #checkSome(rooms: readonly string[], users: readonly string[]): Promise<boolean> {
    const asOf = this.now();
    const heads = rooms.flatMap((id) => {
      const room = this.#rooms.get(id)?.room;
      return room === undefined || room.isEmpty ? [] : [[id, { epoch: room.epoch, head: room.head }] as const];
    });
    const digests = users.map((userId) => [userId, this.#users.get(userId)?.digest] as const);
    const changed = await this.#store.changes({ heads: new Map(heads), digests: new Map(digests) });
    let isClean = true;
    for (const [id, at] of changed.heads) {
      const room = this.#rooms.get(id)?.room;
      if (room === undefined) continue;
      if (at.epoch !== room.epoch || at.head > room.head) isClean = false;
      room.noticeHead(at.epoch, at.head);
    }
    for (const [userId, { digest, rooms }] of changed.roomsOfUsers) {
      const user = this.#users.get(userId);
      if (user !== undefined && user.unsettledAt < asOf) user.digest = digest;
      this.#tellRooms(userId, rooms, asOf);
    }
    return isClean;
  }
}

function isEmpty({ room, raw }: OpenRoom): boolean {
  return room.isEmpty && raw.size === 0;
}

function release({ room, presence, unsubscribe, closing }: OpenRoom): void {
  clearTimeout(closing);
  room.close();
  presence.close();
  unsubscribe();
}
