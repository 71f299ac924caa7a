import type { ChatClientFrame, Position } from "../protocol/chat_client_frames.ts";
import type { ChatServerFrame } from "../protocol/chat_server_frames.ts";
import type { ErrorFrame } from "../protocol/connection_frames.ts";
import { isRetryable } from "./chat_error.ts";
import type { Entry, Positions, Verdict } from "./positions.ts";

/** A chat server's frame of one type. */
type FrameOf<T extends ChatServerFrame["type"]> = ChatServerFrame & { type: T };

/** What the connections of a client share about its rooms. */
export interface RoomsState {
  /** The connection's own room; the inbox has none. */
  readonly room: string | undefined;
  readonly positions: Positions;
  /** Rooms that the application joined beside it. */
  readonly joined: Set<string>;
  /** Rooms that the application wants to hear no more of. */
  readonly left: Set<string>;
  /** Whether there was a connection before: then what it did not know is new, and else everything begins here. */
  begun: boolean;
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
 * The rooms of one connection: says on a new one where this client stands in each, and brings a room whose log shows a
 * gap, or begins anew, back in order by leaving and joining it.
 *
 * A room that was asked for is not judged until its answer is here: then everything from its position on follows, or a
 * `resync` says from where on, and why not.
 */
export class LinkRooms {
  readonly #state: RoomsState;
  readonly #actions: LinkRoomsActions;
  /** Rooms whose events come, from where this client stands. */
  readonly #live = new Set<string>();
  /** Rooms that were asked for, and the `ref` of the `join`; what the address or `resume` asks for is answered without. */
  readonly #asked = new Map<string, string | undefined>();
  /** Where rooms begin that were asked for and not resumed; a `resync` of each follows. */
  readonly #notResumed = new Map<string, Entry>();
  /** A `resync` that came by itself: told once its room has a new beginning. */
  readonly #resyncs = new Map<string, FrameOf<"resync">>();
  /** What was asked here without the application knowing. */
  readonly #refs = new Set<string>();

  constructor(state: RoomsState, actions: LinkRoomsActions) {
    this.#state = state;
    this.#actions = actions;
  }

  /** Whether rooms were asked for whose answer is not here. */
  get isEntering(): boolean {
    return this.#asked.size > 0;
  }

  /** The position in the connection's own room, for its address. */
  ask(): Position | undefined {
    const { room, positions } = this.#state;
    const position = room === undefined ? undefined : positions.get(room);
    if (position !== undefined) this.#asked.set(room!, undefined);
    return position && { ...position };
  }

  /** The first frame came: goes on, in every room, where the connection before ended. */
  opened({ room, seq, epoch, resumed, rooms = {}, limits }: FrameOf<"connection">): void {
    const own = this.#state.room;
    if (room !== undefined && seq !== undefined && epoch !== undefined) this.#enter(room, { seq, epoch, resumed });
    if (this.#state.begun) return this.#resume(rooms, limits.max_frame_bytes);
    this.#state.begun = true;
    for (const [id, at] of Object.entries(rooms)) if (id !== own) this.#enter(id, { ...at, resumed: false });
  }

  /** Judges an event of a log, and sees to it that a gap is filled. */
  take(room: string, seq: number): Verdict {
    if (this.#resyncs.has(room)) return "known";
    const verdict = this.#state.positions.take(room, seq);
    if (verdict === "gap" && !this.#asked.has(room)) this.#rejoin(room);
    return verdict;
  }

  joined(frame: FrameOf<"joined">): void {
    const { room, ref } = frame;
    if (this.#state.left.has(room)) return;
    this.#actions.tell(frame);
    if (this.#asked.has(room) ? this.#asked.get(room) === ref : !this.#live.has(room)) this.#enter(room, frame);
  }

  left(frame: FrameOf<"left">): void {
    if (frame.ref === undefined || !this.#refs.has(frame.ref)) this.#forget(frame);
  }

  resync(frame: FrameOf<"resync">): void {
    const { room, reason } = frame;
    const entry = this.#notResumed.get(room);
    this.#notResumed.delete(room);
    if (this.#state.left.has(room) || this.#asked.has(room)) return;
    if (entry === undefined) this.#resyncs.set(room, frame);
    // `resume` came too late to be heard: the log itself has all that is missing.
    if (entry === undefined || reason === "already_live") return this.#rejoin(room);
    this.#begin(room, entry, frame);
  }

  /** An `error` came. Gives whether it answers something that was asked here. */
  refuse({ ref, code, message }: ErrorFrame): boolean {
    if (ref === undefined || !this.#refs.has(ref)) return false;
    if (isRetryable(code)) this.#actions.fail(message);
    else for (const [room, asked] of [...this.#asked]) if (asked === ref) this.#forget({ type: "left", room });
    return true;
  }

  /** Frames of a while were not read: what was asked meanwhile has to be asked on another connection. */
  unread(): void {
    if (this.#asked.size > 0) this.#actions.fail("The server did not read which rooms this client is in");
  }

  /**
   * The first frame of a later connection: which rooms it hears of anyway, `heard`, go on where this client stands, and
   * those that it does not name are new. Then come the rooms that the application joined: to be seen in them where they
   * are heard of, else from where this client stands.
   */
  #resume(heard: Record<string, { seq: number; epoch: string }>, maxBytes: number): void {
    const { room: own, positions, joined, left } = this.#state;
    const isHeard = (room: string) => Object.hasOwn(heard, room);
    const known = Object.entries(positions.all()).filter(([room]) =>
      room !== own && !left.has(room) && (own === undefined || isHeard(room) || !joined.has(room))
    );
    // From the end of the log, so that nothing is replayed before it is left again.
    const unwanted = [...left].filter((room) => room === own || isHeard(room));
    const skipped = unwanted.filter(isHeard).map((room): [string, Position] => {
      const { seq, epoch } = heard[room]!;
      return [room, { since: seq, epoch }];
    });
    const rooms = upTo(maxBytes, [...skipped, ...known]);
    for (const [room] of known) if (Object.hasOwn(rooms, room)) this.#asked.set(room, undefined);
    this.#actions.send({ type: "resume", rooms, ref: this.#ref() });
    for (const room of unwanted) this.#actions.send({ type: "leave", room, ref: this.#ref() });
    for (const room of joined) {
      if (isHeard(room)) this.#actions.send({ type: "join", room, ref: this.#ref() });
      else if (own !== undefined) this.#join(room, this.#ref());
    }
  }

  #enter(room: string, entry: Entry): void {
    const { positions } = this.#state;
    const asked = this.#asked.delete(room);
    const resync = this.#resyncs.get(room);
    if (resync !== undefined) return this.#begin(room, entry, resync);
    if (asked && !entry.resumed && positions.get(room) !== undefined) this.#notResumed.set(room, entry);
    else if (positions.enter(room, entry) === "behind") this.#rejoin(room);
    else this.#live.add(room);
  }

  #begin(room: string, entry: Entry, resync: FrameOf<"resync">): void {
    this.#resyncs.delete(room);
    this.#state.positions.begin(room, entry);
    this.#live.add(room);
    this.#actions.tell(resync);
  }

  #rejoin(room: string): void {
    const ref = this.#ref();
    this.#live.delete(room);
    this.#actions.send({ type: "leave", room, ref });
    this.#join(room, ref);
  }

  #join(room: string, ref: string): void {
    const position = this.#resyncs.has(room) ? undefined : this.#state.positions.get(room);
    this.#asked.set(room, ref);
    this.#actions.send({ type: "join", room, ...position, ref });
  }

  #forget(frame: FrameOf<"left">): void {
    const { positions, joined } = this.#state;
    positions.forget(frame.room);
    for (const rooms of [joined, this.#live, this.#asked, this.#notResumed, this.#resyncs]) rooms.delete(frame.room);
    this.#actions.tell(frame);
  }

  #ref(): string {
    const ref = `rooms ${this.#refs.size + 1}`;
    this.#refs.add(ref);
    return ref;
  }
}

/**
 * As many rooms as one frame holds; a larger one would end the connection. The others come by themselves, as if they were
 * new, and are joined again from where this client stands.
 */
function upTo(maxBytes: number, rooms: readonly [string, Position][]): Record<string, Position> {
  let bytes = 100;
  // Ids and epochs are ASCII; a pair is never shorter than the member that it becomes.
  return Object.fromEntries(rooms.filter((pair) => (bytes += JSON.stringify(pair).length) <= maxBytes));
}
