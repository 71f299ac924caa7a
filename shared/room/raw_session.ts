import type { ClientMessage, JoinMessage } from "../connection/mod.ts";
import { ENDED, type Pid, type Processes, type Self } from "../process/mod.ts";
import type { RoomView } from "../store/store.ts";
import { NO_PLACE, RAW_OVERRUN, type Rooms, type UserConnection } from "./rooms.ts";

/** What a raw session is given. */
export interface RawSessionOptions {
  readonly rooms: Rooms;
  readonly processes: Processes;
  readonly userId: string;
  /** The room, of which the user is a member. */
  readonly view: RoomView;
}

/**
 * A connection that relays its frames, text and binary, as they are, to the other raw connections of its room, for as
 * long as its user is a member.
 */
export class RawSession implements UserConnection {
  readonly #options: RawSessionOptions;
  #pid: Pid = "";
  #joinedAt = 0;

  constructor(options: RawSessionOptions) {
    this.#options = options;
  }

  get pid(): Pid {
    return this.#pid;
  }

  "ws.join"({ client_pid }: JoinMessage): void {
    const { rooms, processes, userId, view } = this.#options;
    this.#pid = client_pid;
    if (!rooms.makePlace([view.room])) {
      processes.send(client_pid, "ws.close", { code: 1013, reason: `overloaded: ${NO_PLACE.message}` });
      return;
    }
    this.#joinedAt = rooms.now();
    rooms.connect(userId, this);
    rooms.joinRaw(view, client_pid, userId);
  }

  "ws.message"({ client_pid, data }: ClientMessage): void {
    const { rooms, processes, userId, view } = this.#options;
    if (rooms.relayRaw(view.room, client_pid, userId, data)) return;
    // The others cannot be told that a frame is missing: the stream has to end.
    processes.send(client_pid, "ws.close", { code: 4429, reason: RAW_OVERRUN });
  }

  "ws.leave"(_: unknown, self: Self): void {
    self.exit();
  }

  /** Closes the connection where its room is no longer one of the user's. */
  roomsChanged(views: readonly RoomView[], asOf: number): void {
    const { processes, view } = this.#options;
    if (this.#joinedAt >= asOf || views.some(({ room }) => room === view.room)) return;
    const reason = "forbidden: You are no longer a member of this room";
    processes.send(this.#pid, "ws.close", { code: 4403, reason });
  }

  /** Gives up what it holds outside of itself. */
  [ENDED](): void {
    const { rooms, userId, view } = this.#options;
    rooms.leaveRaw(view.room, this.#pid);
    rooms.disconnect(userId, this);
  }
}
