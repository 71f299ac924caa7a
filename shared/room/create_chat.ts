import type { Authenticator, Identity } from "../auth/mod.ts";
import type { Bus } from "../bus/bus.ts";
import { refuse, relayTo, type SocketHandler, Timers } from "../connection/mod.ts";
import type { Isolate } from "../isolate/isolate.ts";
import type { Peers } from "../isolate/peers.ts";
import type { Processes } from "../process/mod.ts";
import type { Failure } from "../protocol/codes.ts";
import type { ConnectionLimits } from "../protocol/connection_frames.ts";
import { log } from "../telemetry/log.ts";
import { gauge, type MetricFamily } from "../telemetry/metrics.ts";
import { type RoomView, type Store, StoreUnavailable } from "../store/store.ts";
import { type ChatContext, ChatSession, expiryOf, type SessionStart } from "./chat_session.ts";
import { type ChatRequest, readChatRequest } from "./read_chat_request.ts";
import type { RoomLimits } from "./room.ts";
import { RoomCounters } from "./room_counters.ts";
import { NO_PLACE, Rooms } from "./rooms.ts";

const ROOM_NOT_FOUND: Failure = { code: "room_not_found", message: "There is no such room." };

/** What a chat is made of. */
export interface ChatOptions {
  /** Its `post` may share calls between writes: see `groupCommit`. */
  readonly store: Store;
  readonly bus: Bus;
  readonly authenticator: Authenticator;
  readonly processes: Processes;
  readonly isolate: Isolate;
  /** Whoever has one of these may post as the system: see `postMessage`. Without one nobody may. */
  readonly secretKeys?: readonly string[];
  /** Whether a public room that does not exist is made by the first who joins; default true. */
  readonly createRooms?: boolean;
  readonly limits?: Partial<RoomLimits>;
  /** See `Rooms`. */
  readonly headCheckMs?: number;
  readonly leaveGraceMs?: number;
  readonly lingerMs?: number;
  readonly maxRooms?: number;
  /** The other isolates; without them presence ends at this one. */
  readonly peers?: Peers;
  readonly onError?: (error: unknown) => void;
}

/** A chat on this isolate. */
export interface Chat {
  /** Answers requests for sockets. */
  readonly handle: SocketHandler;
  /** Answers plain requests: `POST /chat/messages`. */
  readonly http: (request: Request) => Promise<Response> | undefined;
  /** What `/health` shows of it. */
  readonly health: () => { rooms: number };
  /** What `/metrics` shows of it. */
  readonly metrics: () => readonly MetricFamily[];
  /** Ends timers and subscriptions. */
  readonly close: () => void;
}

/**
 * Authenticated rooms over `store` and `bus`. A connection is refused before it is one where its token, its room or its
 * parameters do not hold; a private room of others looks as if it were not there.
 */
export function createChat(options: ChatOptions): Chat {
  const { store, bus, authenticator, processes, isolate, createRooms = true, onError = logError } = options;
  const { secretKeys = [], limits, headCheckMs, leaveGraceMs, lingerMs, maxRooms, peers } = options;
  const counters = new RoomCounters();
  const rooms = new Rooms({
    store,
    bus,
    processes,
    onError,
    counters,
    ...(peers !== undefined && { peers }),
    ...(limits !== undefined && { limits }),
    ...(headCheckMs !== undefined && { headCheckMs }),
    ...(leaveGraceMs !== undefined && { leaveGraceMs }),
    ...(lingerMs !== undefined && { lingerMs }),
    ...(maxRooms !== undefined && { maxRooms }),
  });
  const timers = new Timers();
  const context: ChatContext = { store, rooms, processes, isolate, authenticator, createRooms, timers, onError };

  return {
    handle: async (request, { limits, refusalFor }) => {
      const asked = readChatRequest(new URL(request.url));
      if (!asked.ok) return refuse(asked.error);
      const auth = await authenticator.authenticate(request);
      if (!auth.ok) return refuse(auth.error);
      const identity = auth.value;
      // Before the database is asked, and a room perhaps made.
      const refusal = refusalFor(identity.userId);
      if (refusal !== undefined) return refusal;
      try {
        const { room, raw } = asked.value;
        if (room !== undefined && !rooms.makePlace([room])) return refuse(NO_PLACE);
        // Few deployments have any: loaded with the first.
        const rawSessions = raw ? await import("./raw_session.ts") : undefined;
        const view = room === undefined ? undefined : await joinRoom(context, identity, room);
        if (view?.ok === false) return refuse(view.error);
        // Asked after the join: whoever was removed meanwhile is not let in by it.
        const { views } = await rooms.roomsOf(identity.userId);
        if (room !== undefined && !views.some((view) => view.room === room)) return refuse(ROOM_NOT_FOUND);
        const metadata = { user_id: identity.userId, expires_at: expiryOf(identity) };
        const session = rawSessions !== undefined && view !== undefined
          ? new rawSessions.RawSession({ rooms, processes, userId: identity.userId, view: view.value })
          : new ChatSession(context, startOf(asked.value, identity, limits, views, view?.value));
        const target = processes.spawn(session);
        return relayTo(target, { metadata, controlFrames: !raw });
      } catch (error) {
        if (!(error instanceof StoreUnavailable)) throw error;
        return refuse({ code: "store_unavailable", message: "The database cannot be reached: connect again" });
      }
    },
    http: (request) => {
      const isPost = request.method === "POST" && new URL(request.url).pathname.endsWith("/messages");
      if (!isPost) return undefined;
      // Loaded with the first, as it needs zod, whose load is a fifth of a cold start.
      return import("./post_message.ts").then(({ postMessage }) => postMessage(request, { store, rooms, secretKeys }));
    },
    health: () => ({ rooms: rooms.count }),
    metrics: () => [
      gauge("edge_sockets_rooms", "Rooms that are open here.", rooms.count),
      ...counters.metrics(),
    ],
    close: () => rooms.close(),
  };
}

async function joinRoom({ store, rooms, createRooms }: ChatContext, { userId, name }: Identity, room: string) {
  const view = await store.join({ id: userId, ...(name !== undefined && { name }) }, room, { createRooms });
  if (view.ok && view.value.event !== undefined) rooms.stored(view.value.event, view.value.epoch);
  return view;
}

function startOf(
  { session = crypto.randomUUID(), batch, position }: ChatRequest,
  identity: Identity,
  limits: ConnectionLimits,
  rooms: readonly RoomView[],
  view: RoomView | undefined,
): SessionStart {
  return {
    identity,
    session,
    batch,
    limits,
    ...(view !== undefined && { view }),
    ...(position !== undefined && { position }),
    rooms,
  };
}

function logError(error: unknown): void {
  if (error instanceof StoreUnavailable) log.warn("store.unavailable", { error });
  else log.error("chat.failed", { error });
}
