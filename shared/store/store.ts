/** The port to what lasts: rooms, members, each room's log and what is computed from it. */
import type { Failure } from "../protocol/codes.ts";
import type { LogFrame, Message, Sender } from "../protocol/chat_server_frames.ts";
import type { Result } from "../protocol/result.ts";

/** Who may join: any signed-in user (`public`), or members only. A `dm` is the private room of two users. */
export type RoomKind = "public" | "private" | "dm";

/** What a member may do: owners and moderators add and remove members and delete anyone's messages. */
export type Role = "owner" | "moderator" | "member";

/** The user in whose name the server itself writes: he is no member, and may write to every room. */
export const SYSTEM_USER = "00000000-0000-0000-0000-000000000000";

/** A room as one of its members sees it. */
export interface RoomView {
  readonly room: string;
  readonly kind: RoomKind;
  /** Names the log: positions in another epoch mean nothing here. */
  readonly epoch: string;
  /** The `seq` of the newest event, 0 in an empty room. */
  readonly head: number;
  readonly role: Role;
}

/** One event of a room's log, with the frame that shows it: the same for every member. */
export interface LogEvent {
  readonly room: string;
  readonly seq: number;
  readonly frame: LogFrame;
}

/** A durable fact that a user wants written. `actor` is the authenticated user; the store checks what he may. */
export type Write =
  | {
    readonly kind: "message";
    readonly actor: Sender;
    readonly room: string;
    readonly body: string;
    /** Makes a retry harmless: `(actor, client_id)` gives the first result for ever. */
    readonly client_id?: string;
    readonly subject?: string;
    readonly reply_to?: string;
    readonly data?: unknown;
  }
  | { readonly kind: "edit"; readonly actor: Sender; readonly message_id: string; readonly body: string }
  | { readonly kind: "delete"; readonly actor: Sender; readonly message_id: string }
  | {
    readonly kind: "react";
    readonly actor: Sender;
    readonly message_id: string;
    readonly emoji: string;
    readonly remove: boolean;
  }
  | { readonly kind: "read"; readonly actor: Sender; readonly message_id: string };

/** What a write came to: the event that holds it, or, where nothing new was stored, the message it is about. */
export interface Written {
  /** The message that was written, changed or read. */
  readonly id: string;
  readonly room: string;
  readonly seq: number;
  /** When that was stored, ISO 8601 in UTC. */
  readonly created_at: string;
  /**
   * The event to deliver; absent where nothing new was stored (a mark that was already further on), and for a retry, whose
   * first try nobody may have heard of: who has not come to `seq` yet reads the log.
   */
  readonly event?: LogEvent;
}

/**
 * Events of one room in `seq` order without a gap, and where the log ends.
 *
 * A reader who stands at `since` may go on with them unless `epoch` is not his (another log), `since < floor` (the log
 * was trimmed: what he misses is gone) or `since > head` (the log was restored to an earlier state): then he reads
 * `history` and starts from `head`.
 */
export interface EventPage {
  readonly epoch: string;
  readonly head: number;
  /** Events up to and including this `seq` are no longer kept, 0 where all are. */
  readonly floor: number;
  readonly events: readonly LogEvent[];
}

/** Where each log ends, and which rooms each user is a member of. Rooms that do not exist (any more) are missing. */
export interface Heads {
  readonly heads: ReadonlyMap<string, { readonly epoch: string; readonly head: number }>;
  readonly roomsOfUsers: ReadonlyMap<string, readonly RoomView[]>;
}

/** Where somebody stands: at which head of which log in each room, and what he knows of the rooms of each user. */
export interface Known {
  readonly heads: ReadonlyMap<string, { readonly epoch: string; readonly head: number }>;
  /** By user: the digest of his rooms as the last answer gave it; `undefined` where there was none. */
  readonly digests: ReadonlyMap<string, string | undefined>;
}

/** What is not as it was known. Rooms that do not exist (any more) are missing. */
export interface Changes {
  readonly heads: ReadonlyMap<string, { readonly epoch: string; readonly head: number }>;
  /** The rooms of each user that are not those of his digest, and their digest now. */
  readonly roomsOfUsers: ReadonlyMap<string, { readonly digest: string; readonly rooms: readonly RoomView[] }>;
}

/** A count of unread messages. */
export interface Unread {
  readonly count: number;
  /** Of one room: the head of its log in the same snapshot, so that everything up to there is in the count and nothing later. */
  readonly asOf?: number;
}

/**
 * Promises of every backend:
 * - Each room has one log: `seq` 1, 2, 3 … without a gap, assigned in the transaction that stores the event.
 * - What `post` reported as written is there for every later read, by any backend on the same data.
 * - `(actor, client_id)` names one message for ever: a retry, also one that races with the first try, gives its result.
 * - No read or write passes a membership check that the database would refuse. A private room's existence does not
 *   leak: to one who is no member it answers `room_not_found`, and its messages `message_not_found`.
 *   To one who is no member of a public room a write answers `forbidden`.
 * - The frames of old events show their message as it is now: what was deleted does not come out of the log again.
 * - Text that the database cannot hold (NUL, half a surrogate pair) is refused for that write alone.
 * - An expected refusal is a value. Every method rejects with a `StoreUnavailable` where the database cannot be
 *   reached, and then it is unknown whether a write took place: repeat it with the same `client_id`.
 */
export interface Store {
  /** Stores each write or refuses it by itself, in order; the results stand in the order of `writes`. */
  post(writes: readonly Write[]): Promise<readonly Result<Written, Failure>[]>;

  /**
   * Makes `user` a member of a public room or finds the membership he has. A public room that does not exist is made
   * with `user` as its owner where `createRooms`. The `member` event of a first join is in the log, and given as
   * `event`. Refused: `room_not_found` (also for a private room of others), `forbidden` for a user that the database does
   * not know, `unprocessable` for one who owns too many rooms.
   */
  join(
    user: Sender,
    room: string,
    options: { createRooms: boolean },
  ): Promise<Result<RoomView & { event?: LogEvent }, Failure>>;

  /** The room of `user` and `other`, made when needed. Refused: `not_found` where `other` is no user, `bad_request` for oneself. */
  openDirect(user: Sender, other: string): Promise<Result<RoomView, Failure>>;

  /** Events with `seq > since`, in pages (see `MAX_PAGE`). Not for a user: who may see them is checked before. `undefined`: no such room. */
  eventsSince(room: string, since: number, limit: number): Promise<EventPage | undefined>;

  /** In one call: where the logs of `rooms` end, and the rooms that each of `users` is a member of now. */
  heads(rooms: readonly string[], users: readonly string[]): Promise<Heads>;

  /**
   * In one call, of one moment: the logs that do not end where they are known to, and the users whose rooms or roles are
   * not those of their digest.
   */
  changes(known: Known): Promise<Changes>;

  /**
   * Messages of a room with `seq < before` (the newest ones without it), oldest first, as `user` may read them: those
   * of his rooms and of public ones. In pages: see `MAX_PAGE`; `more` says whether there are older ones.
   */
  history(
    user: string,
    room: string,
    before: number | undefined,
    limit: number,
  ): Promise<Result<{ messages: readonly Message[]; more: boolean }, Failure>>;

  /**
   * How many messages of others, written since he joined and not deleted, `user` has not read, in one room or in all of
   * his. Refused: `room_not_found`, and `forbidden` where he is no member of a public room.
   */
  unread(user: string, room?: string): Promise<Result<Unread, Failure>>;
}

/**
 * The most messages that one call of `history`, and the most events that one call of `eventsSince` gives, where `limit` is
 * not less. A page also ends with the one that makes it longer than `MAX_PAGE_BYTES` of JSON: large messages in a row
 * must not fill an isolate.
 */
export const MAX_PAGE = 1000;
export const MAX_PAGE_BYTES = 1024 * 1024;

/** The database cannot be reached, or did not answer in time. */
export class StoreUnavailable extends Error {
  override readonly name = "StoreUnavailable";
}
