import type { LogFrame, Message } from "../protocol/chat_server_frames.ts";
import type { Failure } from "../protocol/codes.ts";
import { err, ok, type Result } from "../protocol/result.ts";
import { checkWrite, isRoomId, isUuid, storableSender } from "./check_write.ts";
import type { LogEvent, RoomView, Store, Write, Written } from "./store.ts";

/**
 * Calls one of the SQL functions of `supabase/migrations` by name with its named arguments, and gives what it returned.
 * Rejects with `StoreUnavailable` where that was not possible.
 */
export type RpcCall = (name: string, args: Readonly<Record<string, unknown>>) => Promise<unknown>;

/**
 * A store that is the SQL functions of `supabase/migrations`, whatever carries the calls to them. What the database
 * cannot take as an argument (NUL, half a surrogate pair, an id that is none) is answered here and never sent.
 */
export function rpcStore(call: RpcCall): Store {
  return {
    async post(writes) {
      const refusals = writes.map(refusalOf);
      const sent = writes.filter((_, index) => refusals[index] === undefined).map(asSent);
      const results = sent.length === 0 ? [] : await call("chat_post", { writes: sent }) as Result<Written, Failure>[];
      let next = 0;
      return refusals.map((refusal) => refusal === undefined ? results[next++]! : err(refusal));
    },
    async join(user, room, { createRooms }) {
      if (!isRoomId(room)) return err(ROOM_NOT_FOUND);
      if (!isUuid(user.id)) return err(NO_USER);
      const args = { member: user.id, room, create_rooms: createRooms };
      return await call("chat_join", args) as Result<RoomView & { event?: LogEvent }, Failure>;
    },
    async openDirect(user, other) {
      if (!isUuid(user.id)) return err(NO_USER);
      if (!isUuid(other)) return err({ code: "not_found", message: "There is no such user." });
      return await call("chat_open_direct", { member: user.id, other }) as Result<RoomView, Failure>;
    },
    async eventsSince(room, since, limit) {
      if (!isRoomId(room)) return undefined;
      const page = await call("chat_events_since", { room, since, page: limit }) as PageOfFrames | null;
      if (page === null) return undefined;
      return { ...page, events: page.events.map(({ seq, frame }) => ({ room, seq, frame })) };
    },
    async heads(rooms, users) {
      const args = { rooms: rooms.filter(isRoomId), users: users.filter(isUuid) };
      if (args.rooms.length + args.users.length === 0) return { heads: new Map(), roomsOfUsers: new Map() };
      const found = await call("chat_heads", args) as {
        heads: Record<string, { epoch: string; head: number }>;
        users: Record<string, RoomView[]>;
      };
      return { heads: new Map(Object.entries(found.heads)), roomsOfUsers: new Map(Object.entries(found.users)) };
    },
    async changes({ heads, digests }) {
      const logs = [...heads].filter(([room]) => isRoomId(room));
      const users = [...digests].filter(([user]) => isUuid(user));
      if (logs.length + users.length === 0) return { heads: new Map(), roomsOfUsers: new Map() };
      const changed = await call("chat_changes", {
        rooms: logs.map(([room]) => room),
        epochs: logs.map(([, { epoch }]) => epoch),
        heads: logs.map(([, { head }]) => head),
        users: users.map(([user]) => user),
        digests: users.map(([, digest]) => digest ?? null),
      }) as {
        heads: Record<string, { epoch: string; head: number }>;
        users: Record<string, { digest: string; rooms: RoomView[] }>;
      };
      return { heads: new Map(Object.entries(changed.heads)), roomsOfUsers: new Map(Object.entries(changed.users)) };
    },
    async history(user, room, before, limit) {
      if (!isRoomId(room) || !isUuid(user)) return err(ROOM_NOT_FOUND);
      const args = { reader: user, room, before: before ?? null, page: limit };
      return await call("chat_history", args) as Result<{ messages: Message[]; more: boolean }, Failure>;
    },
    async unread(user, room) {
      if ((room !== undefined && !isRoomId(room)) || !isUuid(user)) return err(ROOM_NOT_FOUND);
      const counted = await call("chat_unread", { reader: user, room: room ?? null }) as Counted;
      if (!counted.ok) return counted;
      const { value, as_of } = counted;
      return ok({ count: value, ...(as_of !== undefined && { asOf: as_of }) });
    },
  };
}

interface PageOfFrames {
  readonly epoch: string;
  readonly head: number;
  readonly floor: number;
  readonly events: readonly { readonly seq: number; readonly frame: LogFrame }[];
}

/** `as_of` stands beside the value, where who knows nothing of it does not see it. */
type Counted = Result<number, Failure> & { readonly as_of?: number };

const ROOM_NOT_FOUND: Failure = { code: "room_not_found", message: "There is no such room." };
const NO_USER: Failure = { code: "forbidden", message: "This id is not a user of the database." };

function refusalOf(write: Write): Failure | undefined {
  return isUuid(write.actor.id) ? checkWrite(write) : NO_USER;
}

function asSent(write: Write): Write {
  return { ...write, actor: storableSender(write.actor) };
}
