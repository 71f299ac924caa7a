import type { LogFrame, Message, Sender } from "../protocol/chat_server_frames.ts";
import type { Failure } from "../protocol/codes.ts";
import { err, ok, type Result } from "../protocol/result.ts";
import { checkWrite, isRoomId, isUuid, storableSender } from "./check_write.ts";
import {
  type LogEvent,
  MAX_PAGE,
  MAX_PAGE_BYTES,
  type Role,
  type RoomKind,
  type RoomView,
  type Store,
  SYSTEM_USER,
  type Write,
  type Written,
} from "./store.ts";

/** Options of `memoryStore`; tests pass their own clock and ids. */
export interface MemoryStoreOptions {
  /** Milliseconds since 1970, `Date.now` by default. */
  readonly now?: () => number;
  /** Makes the ids of messages, random UUIDs by default. */
  readonly newId?: () => string;
  /** Whether there is a user with this id; by default every UUID names one. */
  readonly users?: (id: string) => boolean;
  /** How many events a room keeps at least before it forgets the oldest, and the messages they brought; 10,000 by default. */
  readonly maxEventsPerRoom?: number;
}

/** A store with the SQL functions that set rooms up: as called by the server, for tests and for development without a database. */
export interface MemoryStore extends Store {
  /** Makes a room; the first of `members` is its owner. Refused: `bad_request` for a bad or taken id. */
  createRoom(
    kind: Exclude<RoomKind, "dm">,
    id: string,
    name: string | undefined,
    members: readonly string[],
  ): Promise<Result<undefined, Failure>>;
  /** Adds a member, or changes the role of one; `event` is absent where he had it already. */
  addMember(room: string, user: string, role?: Role): Promise<Result<{ event?: LogEvent }, Failure>>;
  /** Ends a membership; `event` is absent where there was none. */
  removeMember(room: string, user: string): Promise<Result<{ event?: LogEvent }, Failure>>;
}

interface Member {
  role: Role;
  readonly joinedSeq: number;
  readonly joinedAt: string;
  /** 0 and null until the first mark. */
  readSeq: number;
  readAt: string | null;
}

/** A message as it is now. It is also what the log keeps of the event that brought it: `seq` and `at` are that event's. */
interface StoredMessage {
  readonly kind: "message";
  readonly id: string;
  readonly room: Room;
  readonly seq: number;
  readonly sender: Sender;
  readonly replyTo: string | undefined;
  readonly clientId: string | undefined;
  readonly at: string;
  subject: string | undefined;
  data: Message["data"] | undefined;
  body: string;
  updatedAt: string;
  editedAt?: string;
  deletedAt?: string;
  /** User ids by emoji; none until the first, as most messages never have one. */
  reactions?: Map<string, Set<string>>;
}

/** What the log keeps of an event that is no message. */
type Change =
  & { readonly seq: number; readonly at: string; readonly user: string }
  & (
    | { readonly kind: "edit" | "delete" | "read"; readonly message: StoredMessage }
    | { readonly kind: "reaction"; readonly message: StoredMessage; readonly emoji: string; readonly removed: boolean }
    | { readonly kind: "member"; readonly role: Role; readonly change: "added" | "removed" | "role" }
  );
type ChangeDraft = Change extends infer E ? E extends Change ? Omit<E, "seq"> : never : never;

/** What the log keeps of an event; its frame is made when it is read, from the message as it is then. */
type Entry = StoredMessage | Change;

interface Room {
  readonly id: string;
  readonly kind: RoomKind;
  readonly epoch: string;
  head: number;
  /** `entries[0]` has the `seq` after this. */
  floor: number;
  readonly entries: Entry[];
  readonly members: Map<string, Member>;
}

/** A store in the memory of one isolate: all promises of the port but that it lasts, and that it forgets what a long room said first. */
export function memoryStore(options: MemoryStoreOptions = {}): MemoryStore {
  const { now = Date.now, newId = () => crypto.randomUUID(), users = isUuid, maxEventsPerRoom = 10_000 } = options;
  if (!(maxEventsPerRoom >= 1)) {
    throw new RangeError(
      `Cannot open a store as 'maxEventsPerRoom' must be >= 1: current value is ${maxEventsPerRoom}`,
    );
  }
  const rooms = new Map<string, Room>();
  /** Lists, as most users have one room or few: a set of one costs three times as much. */
  const roomsByUser = new Map<string, readonly Room[]>();
  const messages = new Map<string, StoredMessage>();
  const messagesByClientId = new Map<string, Map<string, StoredMessage>>();
  const clock = isoClock(now);

  function openRoom(id: string, kind: RoomKind): Room {
    const room: Room = { id, kind, epoch: crypto.randomUUID(), head: 0, floor: 0, entries: [], members: new Map() };
    rooms.set(id, room);
    return room;
  }

  function append(room: Room, draft: ChangeDraft): LogEvent {
    const entry: Change = { ...draft, seq: room.head + 1 };
    enter(room, entry);
    return eventOf(room, entry);
  }

  function enter(room: Room, entry: Entry): void {
    room.head = entry.seq;
    room.entries.push(entry);
    if (room.entries.length >= 2 * maxEventsPerRoom) trim(room);
  }

  /** Runs once in `maxEventsPerRoom` events, so that moving what stays costs little an event. */
  function trim(room: Room): void {
    for (const entry of room.entries.splice(0, maxEventsPerRoom)) {
      room.floor = entry.seq;
      if (entry.kind !== "message") continue;
      messages.delete(entry.id);
      if (entry.clientId !== undefined) forgetClientId(entry.sender.id, entry.clientId);
    }
  }

  function rememberClientId(user: string, clientId: string, message: StoredMessage): void {
    const known = messagesByClientId.get(user);
    if (known === undefined) messagesByClientId.set(user, new Map([[clientId, message]]));
    else known.set(clientId, message);
  }

  function forgetClientId(user: string, clientId: string): void {
    const known = messagesByClientId.get(user);
    known?.delete(clientId);
    if (known?.size === 0) messagesByClientId.delete(user);
  }

  function setMember(room: Room, user: string, role: Role): LogEvent | undefined {
    const member = room.members.get(user);
    if (member?.role === role) return undefined;
    const at = clock();
    if (member !== undefined) member.role = role;
    else room.members.set(user, { role, joinedSeq: room.head + 1, joinedAt: at, readSeq: 0, readAt: null });
    if (member === undefined) roomsByUser.set(user, [...roomsByUser.get(user) ?? [], room]);
    return append(room, { kind: "member", at, user, role, change: member === undefined ? "added" : "role" });
  }

  function post(write: Write): Result<Written, Failure> {
    const failure = checkWrite(write);
    if (failure !== undefined) return err(failure);
    return write.kind === "message" ? postMessage(write) : postChange(write);
  }

  function postMessage(write: Write & { kind: "message" }): Result<Written, Failure> {
    const { actor, client_id } = write;
    const earlier = client_id === undefined ? undefined : messagesByClientId.get(actor.id)?.get(client_id);
    if (earlier !== undefined) return ok(writtenBefore(earlier));
    const room = rooms.get(write.room);
    if (room === undefined) return err(ROOM_NOT_FOUND);
    const refusal = actor.id === SYSTEM_USER ? undefined : refusalToWrite(room, actor.id, ROOM_NOT_FOUND);
    if (refusal !== undefined) return err(refusal);
    if (write.reply_to !== undefined && messages.get(write.reply_to)?.room !== room) return err(MESSAGE_NOT_FOUND);

    const at = clock();
    const message: StoredMessage = {
      kind: "message",
      id: newId(),
      room,
      seq: room.head + 1,
      sender: storableSender(actor),
      replyTo: write.reply_to,
      clientId: client_id,
      at,
      subject: write.subject,
      data: write.data == null ? undefined : structuredClone(write.data) as Message["data"],
      body: write.body,
      updatedAt: at,
    };
    messages.set(message.id, message);
    if (client_id !== undefined) rememberClientId(actor.id, client_id, message);
    enter(room, message);
    return ok(written(message, newMessageEvent(room, message), at));
  }

  function postChange(write: Exclude<Write, { kind: "message" }>): Result<Written, Failure> {
    const message = messages.get(write.message_id.toLowerCase());
    if (message === undefined) return err(MESSAGE_NOT_FOUND);
    const refusal = refusalToWrite(message.room, write.actor.id, MESSAGE_NOT_FOUND);
    if (refusal !== undefined) return err(refusal);
    switch (write.kind) {
      case "edit":
        return edit(message, write.actor.id, write.body);
      case "delete":
        return remove(message, write.actor.id);
      case "react":
        return react(message, write.actor.id, write.emoji, write.remove);
      case "read":
        return read(message, write.actor.id);
    }
  }

  function edit(message: StoredMessage, user: string, body: string): Result<Written, Failure> {
    if (message.sender.id !== user) return err({ code: "forbidden", message: "Only its author may edit a message." });
    if (message.deletedAt !== undefined) return err(MESSAGE_NOT_FOUND);
    if (message.body === body) return ok(writtenBefore(message));
    const at = clock();
    message.body = body;
    message.editedAt = message.updatedAt = at;
    return ok(written(message, append(message.room, { kind: "edit", at, user, message }), at));
  }

  function remove(message: StoredMessage, user: string): Result<Written, Failure> {
    const isModerator = message.room.members.get(user)?.role !== "member";
    if (message.sender.id !== user && !isModerator) {
      return err({ code: "forbidden", message: "Only its author, an owner or a moderator may delete a message." });
    }
    if (message.deletedAt !== undefined) return ok(writtenBefore(message));
    const at = clock();
    message.body = "";
    message.subject = message.data = undefined;
    message.deletedAt = message.updatedAt = at;
    message.reactions = undefined;
    return ok(written(message, append(message.room, { kind: "delete", at, user, message }), at));
  }

  function react(message: StoredMessage, user: string, emoji: string, removed: boolean): Result<Written, Failure> {
    if (message.deletedAt !== undefined) return err(MESSAGE_NOT_FOUND);
    const reactions = message.reactions ??= new Map();
    const reacted = reactions.get(emoji) ?? new Set();
    if (reacted.has(user) !== removed) return ok(writtenBefore(message));
    if (removed) reacted.delete(user);
    else if (reactionsOf(message, user) >= MAX_REACTIONS) return err(TOO_MANY_REACTIONS);
    else reacted.add(user);
    if (reacted.size > 0) reactions.set(emoji, reacted);
    else reactions.delete(emoji);
    const at = clock();
    return ok(written(message, append(message.room, { kind: "reaction", at, user, message, emoji, removed }), at));
  }

  function read(message: StoredMessage, user: string): Result<Written, Failure> {
    const member = message.room.members.get(user)!;
    if (message.seq <= member.readSeq) return ok(writtenBefore(message));
    const at = clock();
    member.readSeq = message.seq;
    member.readAt = at;
    return ok(written(message, append(message.room, { kind: "read", at, user, message }), at));
  }

  function unreadIn(room: Room, user: string): number {
    const member = room.members.get(user)!;
    const position = Math.max(member.readSeq, member.joinedSeq);
    const later = room.entries.slice(Math.max(0, position - room.floor));
    return later.filter((entry) => entry.kind === "message" && isUnread(entry, user)).length;
  }

  function openDirect(user: string, other: string): Result<RoomView, Failure> {
    if (user === other) return err({ code: "bad_request", message: "There is no room of a user with himself." });
    const pair = [user, other].sort();
    const id = `dm:${pair.join(":")}`;
    if (!rooms.has(id)) {
      if (other === SYSTEM_USER || !users(other)) return err({ code: "not_found", message: "There is no such user." });
      const room = openRoom(id, "dm");
      for (const one of pair) if (one !== SYSTEM_USER) setMember(room, one, "member");
    }
    const { kind, epoch, head } = rooms.get(id)!;
    return ok({ room: id, kind, epoch, head, role: "member" });
  }

  function roomsOf(user: string): RoomView[] {
    return (roomsByUser.get(user) ?? []).map((room) => viewOf(room, user));
  }

  return {
    // deno-lint-ignore require-await -- what goes wrong in here rejects, as with every other backend
    async post(writes) {
      return writes.map(post);
    },
    // deno-lint-ignore require-await
    async join(user, id, { createRooms }) {
      if (!isRoomId(id)) return err(ROOM_NOT_FOUND);
      const mayCreate = createRooms && !id.startsWith("dm:");
      const existing = rooms.get(id);
      const room = existing ?? (mayCreate ? openRoom(id, "public") : undefined);
      if (room === undefined || !mayRead(room, user.id)) return err(ROOM_NOT_FOUND);
      if (room.members.has(user.id)) return ok(viewOf(room, user.id));
      const event = setMember(room, user.id, existing === undefined ? "owner" : "member");
      return ok({ ...viewOf(room, user.id), ...withEvent(event) });
    },
    // deno-lint-ignore require-await
    async openDirect(user, other) {
      return openDirect(user.id.toLowerCase(), other.toLowerCase());
    },
    // deno-lint-ignore require-await
    async eventsSince(id, since, limit) {
      const room = rooms.get(id);
      if (room === undefined) return undefined;
      const start = Math.max(0, since - room.floor);
      const entries = room.entries.slice(start, start + pageSize(limit));
      const events = pageOf(entries.map((entry) => eventOf(room, entry)));
      return { epoch: room.epoch, head: room.head, floor: room.floor, events };
    },
    // deno-lint-ignore require-await
    async heads(ids, userIds) {
      const known = ids.flatMap((id) => rooms.get(id) ?? []);
      return {
        heads: new Map(known.map(({ id, epoch, head }) => [id, { epoch, head }])),
        roomsOfUsers: new Map(userIds.map((user) => [user, roomsOf(user)])),
      };
    },
    // deno-lint-ignore require-await
    async changes({ heads, digests }) {
      const changed = [...heads].flatMap(([id, at]) => {
        const room = rooms.get(id);
        return room === undefined || (room.epoch === at.epoch && room.head === at.head) ? [] : [room];
      });
      const users = [...digests].flatMap(([user, before]) => {
        const views = roomsOf(user);
        const digest = views.map(({ room, role }) => `${room} ${role}`).sort().join();
        return digest === before ? [] : [[user, { digest, rooms: views }] as const];
      });
      return {
        heads: new Map(changed.map(({ id, epoch, head }) => [id, { epoch, head }])),
        roomsOfUsers: new Map(users),
      };
    },
    // deno-lint-ignore require-await
    async history(user, id, before, limit) {
      const room = rooms.get(id);
      if (room === undefined || !mayRead(room, user)) return err(ROOM_NOT_FOUND);
      const older = room.entries.filter((entry) => entry.kind === "message" && entry.seq < (before ?? Infinity));
      const newest = older.slice(-pageSize(limit)).reverse();
      const shown = newest.flatMap((entry) => entry.kind === "message" ? messageFor(entry, user) : []);
      const page = pageOf(shown).reverse();
      return ok({ messages: page, more: page.length < older.length });
    },
    // deno-lint-ignore require-await
    async unread(user, id) {
      if (id === undefined) {
        return ok({ count: (roomsByUser.get(user) ?? []).reduce((sum, room) => sum + unreadIn(room, user), 0) });
      }
      const room = rooms.get(id);
      if (room === undefined) return err(ROOM_NOT_FOUND);
      const refusal = refusalToWrite(room, user, ROOM_NOT_FOUND);
      return refusal === undefined ? ok({ count: unreadIn(room, user), asOf: room.head }) : err(refusal);
    },
    // deno-lint-ignore require-await
    async createRoom(kind, id, _name, members) {
      if (!isRoomId(id) || id.startsWith("dm:")) return err({ code: "bad_request", message: "This is no room id." });
      if (rooms.has(id)) return err({ code: "bad_request", message: "There is a room with this id." });
      if (!members.every(users)) return err({ code: "not_found", message: "There is no such user." });
      const room = openRoom(id, kind);
      members.forEach((user, index) => setMember(room, user, index === 0 ? "owner" : "member"));
      return ok(undefined);
    },
    // deno-lint-ignore require-await
    async addMember(id, user, role = "member") {
      const room = rooms.get(id);
      if (room === undefined) return err(ROOM_NOT_FOUND);
      if (room.kind === "dm") return err(DIRECT_ROOM);
      if (!users(user)) return err({ code: "not_found", message: "There is no such user." });
      return ok(withEvent(setMember(room, user, role)));
    },
    // deno-lint-ignore require-await
    async removeMember(id, user) {
      const room = rooms.get(id);
      if (room === undefined) return err(ROOM_NOT_FOUND);
      if (room.kind === "dm") return err(DIRECT_ROOM);
      const member = room.members.get(user);
      if (member === undefined) return ok({});
      room.members.delete(user);
      roomsByUser.set(user, (roomsByUser.get(user) ?? []).filter((other) => other !== room));
      const draft = { kind: "member", at: clock(), user, role: member.role, change: "removed" } as const;
      return ok({ event: append(room, draft) });
    },
  };
}

const ROOM_NOT_FOUND: Failure = { code: "room_not_found", message: "There is no such room." };
const MESSAGE_NOT_FOUND: Failure = { code: "message_not_found", message: "There is no such message." };
const NO_MEMBER: Failure = { code: "forbidden", message: "Only members may do this: join the room first." };
const DIRECT_ROOM: Failure = { code: "forbidden", message: "The members of a direct room do not change." };
/** How many different emoji one user may put on one message. */
const MAX_REACTIONS = 20;
const TOO_MANY_REACTIONS: Failure = {
  code: "unprocessable",
  message: `A user puts at most ${MAX_REACTIONS} reactions on a message.`,
};

/** Why `user` may not write in `room`; `hidden` is the answer where he must not learn that it exists. */
function refusalToWrite(room: Room, user: string, hidden: Failure): Failure | undefined {
  if (room.members.has(user)) return undefined;
  return room.kind === "public" ? NO_MEMBER : hidden;
}

function mayRead(room: Room, user: string): boolean {
  return room.kind === "public" || room.members.has(user);
}

function viewOf(room: Room, user: string): RoomView {
  const { id, kind, epoch, head } = room;
  return { room: id, kind, epoch, head, role: room.members.get(user)!.role };
}

function written(message: StoredMessage, event: LogEvent, at: string): Written {
  return { id: message.id, room: message.room.id, seq: event.seq, created_at: at, event };
}

function writtenBefore({ id, room, seq, at }: StoredMessage): Written {
  return { id, room: room.id, seq, created_at: at };
}

function withEvent(event: LogEvent | undefined): { event?: LogEvent } {
  return event === undefined ? {} : { event };
}

/** The clock as text, ISO 8601 in UTC: a `Date` makes it once a second, as it takes longer than all else of a message. */
function isoClock(now: () => number): () => string {
  let second = NaN;
  let beginning = "";
  return () => {
    const at = now();
    const ms = Math.trunc(at) - second * 1000;
    // Joined it is one piece: JSON.stringify takes twice as long over what was put together by `+`.
    if (ms >= 0 && ms < 1000) return [beginning, String(ms).padStart(3, "0"), "Z"].join("");
    second = Math.floor(at / 1000);
    const text = new Date(at).toISOString();
    beginning = text.slice(0, -4);
    return text;
  };
}

function pageSize(limit: number): number {
  return Math.min(Math.max(1, limit), MAX_PAGE);
}

/** The first of `items`, up to the one that makes them longer than `MAX_PAGE_BYTES`. */
function pageOf<T>(items: readonly T[]): T[] {
  let bytes = 0;
  const end = items.findIndex((item) => (bytes += JSON.stringify(item).length) > MAX_PAGE_BYTES);
  return end === -1 ? [...items] : items.slice(0, end + 1);
}

function isUnread(message: StoredMessage, user: string): boolean {
  return message.sender.id !== user && message.deletedAt === undefined;
}

function reactionsOf(message: StoredMessage, user: string): number {
  return [...message.reactions?.values() ?? []].filter((users) => users.has(user)).length;
}

function newMessageEvent(room: Room, message: StoredMessage): LogEvent {
  return { room: room.id, seq: message.seq, frame: { type: "new_message", message: newMessageAsSent(message) } };
}

function eventOf(room: Room, entry: Entry): LogEvent {
  return { room: room.id, seq: entry.seq, frame: frameOf(room, entry) };
}

function frameOf(room: Room, entry: Entry): LogFrame {
  if (entry.kind === "message") return { type: "new_message", message: messageAsSent(entry) };
  const { seq, user: user_id } = entry;
  if (entry.kind === "member") {
    return { type: "member", room: room.id, seq, user_id, role: entry.role, change: entry.change };
  }
  const message_id = entry.message.id;
  switch (entry.kind) {
    case "edit": {
      const { body, editedAt = entry.at } = entry.message;
      return { type: "message_edited", room: room.id, seq, message_id, user_id, body, edited_at: editedAt };
    }
    case "delete":
      return { type: "message_deleted", room: room.id, seq, message_id, user_id, deleted_at: entry.at };
    case "reaction":
      return { type: "reaction", room: room.id, seq, message_id, user_id, emoji: entry.emoji, removed: entry.removed };
    case "read":
      return { type: "message_read", room: room.id, seq, message_id, user_id, read_at: entry.at };
  }
}

function messageAsSent(message: StoredMessage): Message {
  const { room, sender, reactions } = message;
  return {
    id: message.id,
    room: room.id,
    seq: message.seq,
    sender: { ...sender },
    ...(room.kind === "dm" ? { recipient: otherOf(room, sender.id) } : { community: room.id }),
    ...(message.subject !== undefined && { subject: message.subject }),
    body: message.body,
    ...(message.data !== undefined && { data: structuredClone(message.data) }),
    ...(message.replyTo !== undefined && { reply_to: message.replyTo }),
    ...(message.clientId !== undefined && { client_id: message.clientId }),
    is_read: false,
    read_at: null,
    created_at: message.at,
    updated_at: message.updatedAt,
    ...(message.editedAt !== undefined && { edited_at: message.editedAt }),
    ...(message.deletedAt !== undefined && { deleted_at: message.deletedAt }),
    ...(reactions !== undefined && reactions.size > 0 && { reactions: reactionLists(reactions) }),
  };
}

/** As `messageAsSent` of a message that has just been stored; quicker where it is like nearly all of them. */
function newMessageAsSent(message: StoredMessage): Message {
  const { id, room, seq, sender, body, clientId, at } = message;
  const isLikeMost = room.kind !== "dm" && clientId !== undefined && message.subject === undefined &&
    message.data === undefined && message.replyTo === undefined;
  if (!isLikeMost) return messageAsSent(message);
  return {
    id,
    room: room.id,
    seq,
    sender,
    community: room.id,
    body,
    client_id: clientId,
    is_read: false,
    read_at: null,
    created_at: at,
    updated_at: at,
  };
}

/** The other one of a room of two, whose id names both. */
function otherOf(room: Room, user: string): string | undefined {
  return room.id.split(":").slice(1).find((one) => one !== user);
}

function reactionLists(reactions: ReadonlyMap<string, ReadonlySet<string>>): Record<string, string[]> {
  return Object.fromEntries([...reactions].map(([emoji, users]) => [emoji, [...users]]));
}

function messageFor(message: StoredMessage, user: string): Message {
  const readAt = message.sender.id === user ? readByOthersAt(message, user) : readByUserAt(message, user);
  return { ...messageAsSent(message), is_read: readAt !== null, read_at: readAt };
}

/** What a user missed before he joined counts as read then. */
function readByUserAt({ room, seq }: StoredMessage, user: string): string | null {
  const member = room.members.get(user);
  if (member === undefined) return null;
  if (seq <= member.readSeq) return member.readAt;
  return seq <= member.joinedSeq ? member.joinedAt : null;
}

/** When the member who has read furthest last said so. */
function readByOthersAt({ room, seq }: StoredMessage, user: string): string | null {
  const readers = [...room.members].filter(([id, { readSeq }]) => id !== user && readSeq >= seq);
  const furthest = readers.map(([, member]) => member).sort((a, b) => b.readSeq - a.readSeq)[0];
  return furthest?.readAt ?? null;
}
