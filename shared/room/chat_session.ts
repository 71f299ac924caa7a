import type { Authenticator, Identity } from "../auth/mod.ts";
import type { ClientMessage, ControlMessage, JoinMessage, SendMessage, Timers } from "../connection/mod.ts";
import type { Isolate } from "../isolate/isolate.ts";
import { ENDED, type Pid, type Processes, type Recipient, type Self } from "../process/mod.ts";
import type { ChatClientFrame, ChatClientFrameOf, Position } from "../protocol/chat_client_frames.ts";
import type { ChatServerFrame, Sender } from "../protocol/chat_server_frames.ts";
import type { ErrorCode, Failure } from "../protocol/codes.ts";
import type { ConnectionLimits } from "../protocol/connection_frames.ts";
import { type RoomView, type Store, StoreUnavailable, type Unread, type Write, type Written } from "../store/store.ts";
import { encodeMessages } from "./encode_frame.ts";
import { parseChatFrame, type ParsedFrame, refOf } from "./parse_chat_frame.ts";
import type { Room } from "./room.ts";
import { NO_PLACE, type Rooms, type UserConnection } from "./rooms.ts";
import { type RoomsOwner, SessionRooms } from "./session_rooms.ts";
import { UnreadNews } from "./unread_news.ts";

/** What all chat sessions of an isolate share. */
export interface ChatContext {
  /** Its `post` may share calls between writes. */
  readonly store: Store;
  readonly rooms: Rooms;
  readonly processes: Processes;
  readonly isolate: Isolate;
  readonly authenticator: Pick<Authenticator, "verify">;
  /** Whether a public room that does not exist is made by the first who joins it. */
  readonly createRooms: boolean;
  /** One of the runtime's for all of them. */
  readonly timers: Timers;
  readonly onError: (error: unknown) => void;
}

/** What a connection asked for in its URL, checked already. */
export interface SessionStart {
  readonly identity: Identity;
  /** Names the client over its reconnects. */
  readonly session: string;
  readonly batch: boolean;
  readonly limits: ConnectionLimits;
  /** The room it joins, which it may; the inbox has none. */
  readonly view?: RoomView;
  /** Where it stands in that room, if it was there before. */
  readonly position?: Position;
  /** The user's rooms that it hears of: all of them in the inbox, direct messages alone beside a room. */
  readonly rooms: readonly RoomView[];
}

const MAX_BAD_FRAMES = 10;
/** Writes of one connection that wait for the store; what comes beside them is refused. */
const MAX_WRITES_UNDER_WAY = 256;
/** Questions of one connection that wait for the store. */
const MAX_READS_UNDER_WAY = 16;
/** `resume` and `refresh` of a connection: a client sends one when it comes, or has a new token, and each has all rooms read. */
const MAX_LOOKS_A_MINUTE = 20;
/** Rooms that are not the user's, of which a connection may claim to have positions: each is answered by itself. */
const MAX_UNKNOWN_ROOMS = 1_000;
/** A room of two holds one event a member when it is made. */
const NEW_DIRECT_ROOM = 2;

/**
 * One chat connection, as the process that its frames go to. Frames are handled in order; those that change which rooms
 * it is in are waited for, writes are not, so that many of them share one call to the store. Nothing that a client sends
 * ends the session but ten bad frames in a row.
 */
export class ChatSession implements UserConnection, RoomsOwner {
  readonly #context: ChatContext;
  /** Until it has joined: most of it nobody needs after that. */
  #start: SessionStart | undefined;
  readonly home: string | undefined;
  readonly batch: boolean;
  #rooms: SessionRooms | undefined;
  #pid: Pid = "";
  #client: Recipient | undefined;
  #self: Self | undefined;
  #sender: Sender;
  #badFrames = 0;
  #writes = 0;
  #reads = 0;
  #unknownRooms = 0;
  #unread: UnreadNews | undefined;
  /** How often all rooms of its user were looked up for it, in the minute of the clock in which that was last. */
  #looks = 0;
  #looksMinute = 0;

  constructor(context: ChatContext, start: SessionStart) {
    this.#context = context;
    this.#start = start;
    this.home = start.view?.room;
    this.batch = start.batch;
    this.#sender = senderOf(start.identity);
  }

  get pid(): Pid {
    return this.#pid;
  }

  get userId(): string {
    return this.#sender.id;
  }

  get name(): string | undefined {
    return this.#sender.name;
  }

  "ws.join"({ client_pid }: JoinMessage, self: Self): void {
    const start = this.#start;
    if (start === undefined) return; // A session is one connection's.
    this.#start = undefined;
    const { rooms, processes } = this.#context;
    this.#pid = client_pid;
    this.#client = processes.recipient(client_pid);
    this.#self = self;
    const { view, position } = start;
    const own = this.#rooms = new SessionRooms(this.#context, this);
    rooms.connect(this.userId, this);
    const all = start.rooms.filter((view) => own.hears(view));
    const heard = own.hold(all);
    const leftOut = all.length - heard.length;
    if (!rooms.makePlace(idsOf(view === undefined ? heard : [view, ...heard]))) return own.turnAway();
    if (view === undefined) return this.#greet(start, { resumed: false }, heard, leftOut);
    const room = rooms.open(view);
    const reason = position && room.resyncReason(position.since, position.epoch);
    const resumed = position !== undefined && reason === undefined;
    const since = resumed ? position.since : undefined;
    const seq = Math.max(room.head, since ?? 0);
    this.#greet(start, { room: room.id, community_id: room.id, seq, epoch: room.epoch, resumed }, heard, leftOut);
    if (reason !== undefined) this.tell({ type: "resync", room: room.id, reason });
    own.enter(room, view, since, true);
    for (const part of rooms.present(room.id) ?? []) this.tell({ type: "presence", room: room.id, ...part });
  }

  "ws.message"({ type, data }: ClientMessage): Promise<void> | void {
    if (type === "binary") return this.#refuseFrame({ code: "bad_frame", message: "Frames are JSON text" });
    const parsed = parseChatFrame(data);
    return parsed instanceof Promise ? parsed.then((parsed) => this.#take(parsed)) : this.#take(parsed);
  }

  "ws.leave"(_: unknown, self: Self): void {
    self.exit();
  }

  /** Hears which rooms the user is in. */
  roomsChanged(views: readonly RoomView[], asOf: number): void {
    this.#rooms?.changed(views, asOf);
  }

  /** Sends the client a frame. */
  tell(frame: ChatServerFrame): void {
    this.#sendText(JSON.stringify(frame));
  }

  /** The connection is no longer in a room, and closed where it came for that. */
  lost(room: string): void {
    this.tell({ type: "left", room });
    if (room !== this.home) return;
    const message = "You are no longer a member of this room";
    this.tell({ type: "error", code: "forbidden", message });
    this.#close(4403, `forbidden: ${message}`);
  }

  /** There is no place here for the rooms that it is to be in: another isolate may have it. */
  turnedAway(): void {
    this.#close(1013, `overloaded: ${NO_PLACE.message}`);
  }

  /** Gives up what it holds outside of itself. */
  [ENDED](): void {
    this.#rooms?.close();
    this.#context.rooms.disconnect(this.#sender.id, this);
  }

  #take(parsed: ParsedFrame): Promise<void> | void {
    if (!parsed.ok) return this.#refuseFrame(parsed.error, parsed.error.ref);
    this.#badFrames = 0;
    const frame = parsed.value;
    if (this.#rooms?.isHolding && frame.type !== "resume") this.#rooms.release();
    return this.#handle(frame);
  }

  #handle(frame: ChatClientFrame): Promise<void> | void {
    switch (frame.type) {
      case "ping":
        return this.tell({ type: "pong", ...refMember(frame) });
      case "chat":
        return this.#chat(frame);
      case "edit":
        return this.#write(frame, {
          kind: "edit",
          actor: this.#sender,
          message_id: frame.message_id,
          body: frame.body,
        });
      case "delete":
        return this.#write(frame, { kind: "delete", actor: this.#sender, message_id: frame.message_id });
      case "react":
        return this.#react(frame);
      case "mark_read":
        return this.#markRead(frame);
      case "typing":
        return this.#typing(frame);
      case "signal":
        return this.#signal(frame);
      case "get_unread_count":
        return this.#read(frame, () => this.#tellUnread(frame.room ?? frame.community_id, frame));
      case "history":
        return this.#read(frame, () => this.#history(frame));
      case "dm":
        return this.#inOrder(frame, () => this.#directMessage(frame));
      case "join":
        return this.#inOrder(frame, () => this.#joinRoom(frame));
      case "leave":
        return this.#leaveRoom(frame);
      case "resume":
        return this.#inOrder(frame, () => this.#resume(frame));
      case "refresh":
        return this.#inOrder(frame, () => this.#refresh(frame));
    }
  }

  #chat(frame: ChatClientFrameOf<"chat">): void {
    const room = this.#roomOf(frame);
    if (room !== undefined) this.#writeMessage(frame, room);
  }

  async #directMessage(frame: ChatClientFrameOf<"dm">): Promise<void> {
    const view = await this.#context.store.openDirect(this.#sender, frame.to);
    if (!view.ok) return this.#refuse(view.error, frame);
    const { room, head } = view.value;
    this.#rooms?.listen(view.value);
    this.#writeMessage(frame, room);
    if (head > NEW_DIRECT_ROOM) return;
    // New: the connections of both, here and elsewhere, do not know it yet.
    this.#context.rooms.membershipChanged(frame.to);
    this.#context.rooms.membershipChanged(this.#sender.id);
  }

  #writeMessage(frame: ChatClientFrameOf<"chat"> | ChatClientFrameOf<"dm">, room: string): void {
    const body = frame.body ?? frame.text;
    if (body === undefined) return this.#refuseFrame({ code: "bad_frame", message: "body: is missing" }, refOf(frame));
    const { client_id, subject, data } = frame;
    const reply_to = frame.type === "chat" ? frame.reply_to : undefined;
    const actor = this.#sender;
    this.#write(frame, { kind: "message", actor, room, body, client_id, subject, data, reply_to });
  }

  #react({ message_id, emoji, remove = false, ...frame }: ChatClientFrameOf<"react">): void {
    this.#write(frame, { kind: "react", actor: this.#sender, message_id, emoji, remove });
  }

  #markRead(frame: ChatClientFrameOf<"mark_read">): void {
    this.#write(frame, { kind: "read", actor: this.#sender, message_id: frame.message_id }, ({ room, event }) => {
      // Where nothing was new, the others have been told.
      (this.#unread ??= this.#newUnread()).marked(room, event !== undefined);
    });
  }

  #newUnread(): UnreadNews {
    const { store, rooms } = this.#context;
    return new UnreadNews({
      count: async (room) => {
        const count = await store.unread(this.#sender.id, room);
        return count.ok ? count.value : undefined;
      },
      tell: (count, room, toAll) => {
        const text = unreadFrame(count, room);
        if (toAll) rooms.sendToUser(this.#sender.id, text);
        else this.#sendText(text);
      },
      failed: (error) => this.#failed(error, {}),
    });
  }

  #typing(frame: ChatClientFrameOf<"typing">): void {
    const room = this.#joinedRoomOf(frame);
    if (room === undefined) return;
    const { id, name } = this.#sender;
    const notice = { type: "typing", room: room.id, user_id: id, ...(name !== undefined && { name }) };
    this.#pass(room, JSON.stringify(notice), frame);
  }

  #signal(frame: ChatClientFrameOf<"signal">): void {
    const room = this.#joinedRoomOf(frame);
    if (room === undefined) return;
    const notice = { type: "signal", room: room.id, user_id: this.#sender.id, data: frame.data };
    this.#pass(room, JSON.stringify(notice), frame, frame.to);
  }

  /** Sends a passing frame to the others in a room, or to one user there, unless it is too much for so many. */
  #pass(room: Room, text: string, frame: object, to?: string): void {
    const options = { except: this.#pid, ...(to !== undefined && { to }) };
    if (this.#context.rooms.broadcast(room, this.#sender.id, text, options)) return;
    this.#refuse({ code: "rate_limited", message: "This is more than may be sent to so many" }, frame);
  }

  async #tellUnread(room: string | undefined, frame: ChatClientFrame): Promise<void> {
    const count = await this.#context.store.unread(this.#sender.id, room);
    if (count.ok) this.#sendText(unreadFrame(count.value, room, frame));
    else this.#refuse(count.error, frame);
  }

  async #history(frame: ChatClientFrameOf<"history">): Promise<void> {
    const room = this.#roomOf(frame);
    if (room === undefined) return;
    const page = await this.#context.store.history(this.#sender.id, room, frame.before, frame.limit ?? 50);
    if (!page.ok) return this.#refuse(page.error, frame);
    const { messages, more } = page.value;
    const { ref } = frame; // What is undefined does not show in JSON.
    const rest = JSON.stringify({ more, ref });
    this.#sendText(
      `{"type":"history","room":${JSON.stringify(room)},"messages":${encodeMessages(messages)},${rest.slice(1)}`,
    );
  }

  async #joinRoom({ room: id, since, epoch, ...frame }: ChatClientFrameOf<"join">): Promise<void> {
    const { store, rooms, createRooms } = this.#context;
    if (this.#rooms?.mayJoin(id) === false) {
      return this.#refuse({ code: "overloaded", message: "This connection is in too many rooms" }, frame);
    }
    if (!rooms.makePlace([id])) return this.#refuse(NO_PLACE, frame);
    const view = await store.join(this.#sender, id, { createRooms });
    if (!view.ok) return this.#refuse(view.error, frame);
    if (this.#isGone) return;
    const position = since === undefined ? undefined : { since, ...(epoch !== undefined && { epoch }) };
    this.#rooms?.join(view.value, position, { present: true, ...refMember(frame) });
    if (view.value.event !== undefined) rooms.stored(view.value.event, view.value.epoch);
  }

  #leaveRoom({ room, ...frame }: ChatClientFrameOf<"leave">): void {
    this.#rooms?.leave(room);
    this.tell({ type: "left", room, ...refMember(frame) });
  }

  async #resume({ rooms: positions, ...frame }: ChatClientFrameOf<"resume">): Promise<void> {
    if (!this.#mayLook(frame)) return;
    this.#rooms?.pauseHold();
    const { views: own, asOf } = await this.#context.rooms.roomsOf(this.#sender.id).catch((error) => {
      this.#rooms?.holdOn();
      throw error;
    });
    if (this.#isGone) return;
    const views = new Map(own.map((view) => [view.room, view]));
    const unknown = Object.keys(positions).filter((room) => !views.has(room));
    this.#unknownRooms += unknown.length;
    // Before it is told of any of them: two frames each, that many times, would keep others waiting.
    if (this.#unknownRooms > MAX_UNKNOWN_ROOMS) {
      return this.#close(4400, `bad_frame: positions in more than ${MAX_UNKNOWN_ROOMS} rooms of others`);
    }
    for (const room of unknown) {
      this.#refuse({ code: "room_not_found", message: `There is no such room: ${room}` }, frame);
      this.tell({ type: "left", room });
    }
    this.#rooms?.resume(positions, views, asOf);
  }

  async #refresh(frame: ChatClientFrameOf<"refresh">): Promise<void> {
    if (!this.#mayLook(frame)) return;
    const { authenticator, processes, rooms } = this.#context;
    const verified = await authenticator.verify(frame.jwt);
    if (!verified.ok) return this.#refuse(verified.error, frame);
    const identity = verified.value;
    if (identity.userId !== this.#sender.id) {
      return this.#refuse({ code: "forbidden", message: "The new token is another user's" }, frame);
    }
    const { views, asOf } = await rooms.roomsOf(identity.userId);
    if (this.#isGone || this.#self === undefined) return;
    this.#sender = senderOf(identity);
    const expires_at = expiryOf(identity);
    const control: ControlMessage = { target_pid: this.#self.pid, metadata: { user_id: identity.userId, expires_at } };
    processes.send(this.#pid, "ws.control", control);
    this.tell({ type: "refreshed", expires_at, ...refMember(frame) });
    // Last, since it ends a connection whose room the user has lost.
    this.roomsChanged(views, asOf);
  }

  /** Whether it may have all rooms of its user looked up once more; else it is refused. */
  #mayLook(frame: object): boolean {
    const minute = Math.floor(Date.now() / 60_000);
    if (minute !== this.#looksMinute) {
      this.#looksMinute = minute;
      this.#looks = 0;
    }
    if (this.#looks < MAX_LOOKS_A_MINUTE) {
      this.#looks++;
      return true;
    }
    const message = `A connection may send ${MAX_LOOKS_A_MINUTE} of these a minute: try again later`;
    this.#refuse({ code: "rate_limited", message }, frame);
    return false;
  }

  /**
   * Says where the client landed, from where on it hears of `rooms` unless it says where it stands in them, and how many
   * more there are.
   */
  #greet(
    { identity, session, limits }: SessionStart,
    at: { resumed: boolean; room?: string; community_id?: string; seq?: number; epoch?: string },
    rooms: readonly RoomView[],
    leftOut: number,
  ): void {
    const heard = Object.fromEntries(rooms.map(({ room, head, epoch }) => [room, { seq: head, epoch }]));
    this.tell({
      type: "connection",
      message: "connected",
      user_id: identity.userId,
      ...at,
      ...(rooms.length > 0 && { rooms: heard }),
      ...(leftOut > 0 && { rooms_left_out: leftOut }),
      session,
      expires_at: expiryOf(identity),
      isolate: this.#context.isolate.id,
      age_ms: this.#context.isolate.ageMs,
      lifetime_ms: this.#context.isolate.lifetimeMs,
      limits,
    });
  }

  /** Writes without waiting, so that what the client sends next goes in the same call; the answer is an `ack`. */
  #write(frame: object, write: Write, then?: (written: Written) => void): void {
    if (this.#writes >= MAX_WRITES_UNDER_WAY) {
      return this.#refuse({ code: "overloaded", message: "Too many writes are under way: try again" }, frame);
    }
    this.#writes++;
    void this.#store(frame, write, then);
  }

  /** Never rejects. */
  async #store(frame: object, write: Write, then: ((written: Written) => void) | undefined): Promise<void> {
    try {
      const [written] = await this.#context.store.post([write]);
      if (!written!.ok) return this.#refuse(written!.error, frame);
      this.#acknowledge(written!.value, frame, write.kind);
      then?.(written!.value);
    } catch (error) {
      this.#failed(error, frame);
    } finally {
      this.#writes--;
    }
  }

  #acknowledge(
    { id, room, seq, created_at, event }: Written,
    frame: { client_id?: string; ref?: string },
    kind: Write["kind"],
  ): void {
    // What is undefined does not show in JSON.
    this.tell({ type: "ack", client_id: frame.client_id, ref: frame.ref, id, room, seq, created_at });
    if (event !== undefined) this.#context.rooms.stored(event);
    // Of a change that changed nothing, `seq` is the message's, which is no news.
    else if (kind === "message") this.#context.rooms.storedBefore(room, seq);
  }

  /** Reads something that later frames need not wait for; few at a time, as each may hold a page of messages. */
  #read(frame: object, task: () => Promise<void>): void {
    if (this.#reads >= MAX_READS_UNDER_WAY) {
      return this.#refuse({ code: "overloaded", message: "Too many questions are under way: ask again" }, frame);
    }
    this.#reads++;
    this.#aside(frame, () => task().finally(() => this.#reads--));
  }

  /** Does something that later frames need not wait for. */
  #aside(frame: object, task: () => Promise<void>): void {
    task().catch((error) => this.#failed(error, frame));
  }

  /** Does something that later frames wait for. */
  #inOrder(frame: object, task: () => Promise<void>): Promise<void> {
    return task().catch((error) => this.#failed(error, frame));
  }

  #failed(error: unknown, frame: object): void {
    if (error instanceof StoreUnavailable) {
      return this.#refuse({ code: "store_unavailable", message: "The database cannot be reached: try again" }, frame);
    }
    this.#context.onError(error);
    this.#refuse({ code: "internal", message: "The frame could not be handled" }, frame);
  }

  /** The room that a frame names, else the connection's own. */
  #roomOf(frame: { room?: string | undefined }): string | undefined {
    const room = frame.room ?? this.home;
    if (room === undefined) this.#refuse({ code: "bad_request", message: "room: the inbox needs one" }, frame);
    return room;
  }

  #joinedRoomOf(frame: { room?: string | undefined }): Room | undefined {
    const id = this.#roomOf(frame);
    if (id === undefined) return undefined;
    const room = this.#rooms?.has(id) ? this.#context.rooms.get(id) : undefined;
    if (room === undefined) {
      this.#refuse({ code: "room_not_found", message: "This connection is not in that room" }, frame);
    }
    return room;
  }

  #refuse({ code, message }: Failure, frame: object): void {
    this.#sendError(code, message, refOf(frame));
  }

  /** Refuses a frame that could not be read; a client that sends nothing else is closed. */
  #refuseFrame({ code, message }: Failure, ref?: string): void {
    this.#sendError(code, message, ref);
    if (++this.#badFrames >= MAX_BAD_FRAMES) this.#close(4400, `bad_frame: ${MAX_BAD_FRAMES} in a row`);
  }

  #sendError(code: ErrorCode, message: string, ref: string | undefined): void {
    this.tell({ type: "error", code, message, ...(ref !== undefined && { ref }) });
  }

  get #isGone(): boolean {
    return !this.#context.processes.isAlive(this.#pid);
  }

  #sendText(data: string): void {
    const frame: SendMessage = { type: "text", data };
    this.#client?.send("ws.send", frame);
  }

  #close(code: number, reason: string): void {
    this.#context.processes.send(this.#pid, "ws.close", { code, reason });
  }
}

function senderOf({ userId, name }: Identity): Sender {
  return { id: userId, ...(name !== undefined && { name }) };
}

function idsOf(views: readonly RoomView[]): string[] {
  return views.map(({ room }) => room);
}

/** When the identity's token expires, ISO 8601. */
export function expiryOf({ expiresAt }: Identity): string {
  return new Date(expiresAt).toISOString();
}

function unreadFrame({ count, asOf }: Unread, room: string | undefined, frame: object = {}): string {
  // What is undefined does not show in JSON.
  return JSON.stringify({ type: "unread_count", count, room, as_of: asOf, ...refMember(frame) });
}

/** The `ref` of a frame, for its answer. */
function refMember(frame: { ref?: string | undefined }): { ref?: string } {
  return frame.ref === undefined ? {} : { ref: frame.ref };
}
