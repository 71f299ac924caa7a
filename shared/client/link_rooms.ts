import type { ChatClientFrame, Position } from "../protocol/chat_client_frames.ts";
import type { ChatServerFrame } from "../protocol/chat_server_frames.ts";
import type { ErrorFrame } from "../protocol/connection_frames.ts";
import { isRetryable } from "./chat_error.ts";
import type { Positions, Verdict } from "./positions.ts";

/** A chat server's frame of one type. */
type FrameOf<T extends ChatServerFrame["type"]> = ChatServerFrame & { type: T };

/** What the connections of a client share about its rooms. */
export interface RoomsState {
  /** The connection's own room; the inbox has none. */
  readonly room: string | undefined;
  readonly positions: Positions;
  /** Rooms that the application joined beside it. */
  readonly joined: Set<string>;
  /** A `resync` of each room that is told once the room has a new beginning. */
  readonly resyncs: Map<string, FrameOf<"resync">>;
}

/** What the rooms of a connection do. */
export interface LinkRoomsActions {
  send(frame: ChatClientFrame): void;
  /** Tells the application. */
  tell(frame: FrameOf<"joined" | "left" | "resync">): void;
  /** The connection cannot be used: what it should resume it cannot. */
  fail(reason: string): void;
}

/**
 * The rooms of one connection: says on a new one where this client stands, and brings a room whose log shows a gap, or
 * begins anew, back in order by leaving and joining it.
 */
export class LinkRooms {
  readonly #state: RoomsState;
  readonly #actions: LinkRoomsActions;
  /** Rooms that were asked for with a position. */
  readonly #asked = new Set<string>();
  /** Rooms that begin anew, of which a `resync` frame will say so. */
  readonly #reset = new Set<string>();
  readonly #rejoining = new Set<string>();
  /** What was asked here without the application knowing: the room by `ref`, none for `resume`. */
  readonly #refs = new Map<string, string | undefined>();
  #lastRef = 0;

  constructor(state: RoomsState, actions: LinkRoomsActions) {
    this.#state = state;
    this.#actions = actions;
  }

  /** The position in the connection's own room, for its address. */
  ask(): Position | undefined {
    const { room, positions } = this.#state;
    const position = room === undefined ? undefined : positions.get(room);
    if (position !== undefined) this.#asked.add(room!);
    return position && { ...position };
  }

  /** The first frame came: goes on, in every room, where the connection before ended. */
  opened({ room, seq, epoch, resumed }: FrameOf<"connection">): void {
    const { positions, joined } = this.#state;
    const known = positions.all();
    if (this.#state.room === undefined) return this.#resume(known);
    if (room !== undefined && seq !== undefined && epoch !== undefined) this.#enter(room, { seq, epoch, resumed });
    for (const other of new Set([...joined, ...Object.keys(known)])) {
      // A direct room is live already, behind what was missed: it has to be entered anew.
      if (other !== room) joined.has(other) ? this.#join(other) : this.#rejoin(other);
    }
  }

  /** Judges an event of a log, and sees to it that a gap is filled. */
  take(room: string, seq: number): Verdict {
    const verdict = this.#state.positions.take(room, seq);
    if (verdict === "gap") this.#rejoin(room);
    return verdict;
  }

  joined(frame: FrameOf<"joined">): void {
    const isOwn = this.#rejoining.delete(frame.room);
    for (const [ref, room] of this.#refs) if (room === frame.room) this.#refs.delete(ref);
    if (!isOwn) this.#actions.tell(frame);
    this.#enter(frame.room, frame);
  }

  left(frame: FrameOf<"left">): void {
    if (!this.#rejoining.has(frame.room)) this.#forget(frame);
  }

  resync(frame: FrameOf<"resync">): void {
    const { positions, resyncs } = this.#state;
    if (this.#reset.delete(frame.room)) return this.#actions.tell(frame);
    positions.lose(frame.room);
    resyncs.set(frame.room, frame);
    this.#rejoining.delete(frame.room);
    this.#rejoin(frame.room);
  }

  /** An `error` came. Gives whether it answers something that was asked here. */
  refuse({ ref, code, message }: ErrorFrame): boolean {
    if (ref === undefined || !this.#refs.has(ref)) return false;
    const room = this.#refs.get(ref);
    this.#refs.delete(ref);
    if (room === undefined || isRetryable(code)) this.#actions.fail(message);
    else {
      this.#rejoining.delete(room);
      this.#forget({ type: "left", room });
    }
    return true;
  }

  /** Frames of a while were not read: what was asked meanwhile has to be asked on another connection. */
  unread(): void {
    const rooms = [...this.#refs.values()].filter((room) => room !== undefined);
    if (rooms.length > 0) this.#actions.fail("The server did not read which rooms this client is in");
  }

  #resume(rooms: Record<string, Position>): void {
    for (const room of Object.keys(rooms)) this.#asked.add(room);
    // A first connection says so too: only then the server tells which rooms there are, and where their logs end.
    this.#actions.send({ type: "resume", rooms, ref: this.#ref(undefined) });
  }

  #enter(room: string, entry: { seq: number; epoch: string; resumed: boolean }): void {
    const { positions, resyncs } = this.#state;
    const outcome = positions.enter(room, entry, this.#asked.delete(room));
    if (outcome === "reset") this.#reset.add(room);
    if (outcome === "behind") this.#rejoin(room);
    const resync = resyncs.get(room);
    resyncs.delete(room);
    if (resync !== undefined && outcome !== "reset") this.#actions.tell(resync);
  }

  #rejoin(room: string): void {
    if (this.#rejoining.has(room)) return;
    this.#rejoining.add(room);
    this.#actions.send({ type: "leave", room });
    this.#join(room);
  }

  #join(room: string): void {
    const position = this.#state.positions.get(room);
    if (position !== undefined) this.#asked.add(room);
    this.#actions.send({ type: "join", room, ...position, ref: this.#ref(room) });
  }

  #forget(frame: FrameOf<"left">): void {
    const { positions, joined, resyncs } = this.#state;
    positions.forget(frame.room);
    joined.delete(frame.room);
    resyncs.delete(frame.room);
    this.#actions.tell(frame);
  }

  #ref(room: string | undefined): string {
    const ref = `room${++this.#lastRef}`;
    this.#refs.set(ref, room);
    return ref;
  }
}
