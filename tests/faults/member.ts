import { type Chat, type ChatStatus, connectChat } from "../../shared/client/mod.ts";
import type { AckFrame, LogFrame, PresentMember } from "../../shared/protocol/chat_server_frames.ts";
import { eventually } from "../support/eventually.ts";
import type { SignedUp } from "../support/sign_up.ts";
import type { LoggedEvent } from "./compare_logs.ts";
import { checkedSocket } from "./sequence_check.ts";

/** A time without a steady connection. Times are of `performance.now()`. */
export interface Transition {
  /**
   * `hand-over`: the next connection was there before the old one went. `late hand-over`: the server closed the old one
   * before, as its time was over. `loss`: the old one broke.
   */
  kind: "hand-over" | "late hand-over" | "loss";
  readonly from: number;
  /** When the next connection was open. */
  to: number;
}

/** A message of somebody that came. */
export interface Delivery {
  readonly clientId: string;
  readonly at: number;
  /** On which isolate the member was. */
  readonly isolate: string;
}

/** What a member saw of a room. */
export interface RoomRecord {
  /** The end of the log when it came. */
  begin: number;
  readonly events: LoggedEvent[];
  /** The users it takes for present. */
  readonly present: Set<string>;
}

/** What is started with a member. */
export interface MemberOptions {
  readonly url: string;
  readonly user: SignedUp;
  /** Its own room first. */
  readonly rooms: readonly string[];
  /** It goes for good when it loses its connection after `mayLeave`. */
  readonly isLeaver: boolean;
}

/** What an isolate closes connections with when its time is over. */
const HAND_OVER_CODE = 1012;

/** A real chat client, and a record of everything that it tells its application. */
export class Member {
  readonly userId: string;
  readonly rooms = new Map<string, RoomRecord>();
  readonly deliveries: Delivery[] = [];
  readonly transitions: Transition[] = [];
  /** By `client_id`; `sent` is the moment and the isolate at which it was given to the client. */
  readonly sent = new Map<string, { readonly at: number; readonly isolate: string }>();
  readonly acks = new Map<string, AckFrame>();
  /** Events that came on a connection before their turn or after it. */
  readonly outOfTurn: string[] = [];
  /** What should never happen: messages refused, logs begun anew, errors. */
  readonly complaints: string[] = [];
  /** Whether it goes at the next loss, if it is a leaver. */
  mayLeave = false;
  readonly #chat: Chat;
  readonly #isLeaver: boolean;
  #isolate = "";
  #transition: Transition | undefined;
  #isClosed = false;

  constructor({ url, user, rooms, isLeaver }: MemberOptions) {
    this.userId = user.userId;
    this.#isLeaver = isLeaver;
    const WebSocket = checkedSocket((what) => this.outOfTurn.push(what));
    this.#chat = connectChat({ url, token: user.accessToken, room: rooms[0]!, WebSocket });
    this.#record(this.#chat);
    for (const room of rooms.slice(1)) this.#chat.join(room).catch((error) => this.#complain("join", error));
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** How many of its messages have no ack. */
  get waiting(): number {
    return this.#chat.pending.length;
  }

  /** Where it is: `open` most of the time. */
  get status(): string {
    return this.#chat.status.status;
  }

  /** Settles when it is in so many rooms. */
  async entered(rooms: number): Promise<void> {
    await eventually("a client is in its rooms", () => this.rooms.size === rooms, { deadlineMs: 30_000 });
  }

  /** Sends a message, now or when there is a connection. */
  say(room: string, clientId: string, body: string): void {
    if (this.#isClosed) return;
    this.sent.set(clientId, { at: performance.now(), isolate: this.#isolate });
    this.#chat.send({ room, body, client_id: clientId }).then(
      (ack) => this.acks.set(clientId, ack),
      (error) => !this.#isClosed && this.#complain(`send ${clientId}`, error),
    );
  }

  /** Tries to connect at once, where it waits to. */
  wake(): void {
    this.#chat.wake();
  }

  /** Goes for good. */
  close(): void {
    this.#isClosed = true;
    this.#chat.close();
  }

  #record(chat: Chat): void {
    chat.on("connection", ({ isolate, room, seq }) => {
      this.#isolate = isolate;
      if (room !== undefined && seq !== undefined) this.#room(room, seq);
    });
    chat.on("joined", ({ room, seq, members }) => {
      const record = this.#room(room, seq);
      if (members !== undefined) this.#show(record, members);
    });
    chat.on("new_message", (frame) => {
      this.#take(frame.message.room, { seq: frame.message.seq, body: frame.message.body });
      const { client_id: clientId } = frame.message;
      if (clientId) this.deliveries.push({ clientId, at: performance.now(), isolate: this.#isolate });
    });
    const others = ["message_edited", "message_deleted", "reaction", "message_read", "member"] as const;
    for (const name of others) {
      chat.on(name, (frame: Exclude<LogFrame, { type: "new_message" }>) => this.#take(frame.room, { seq: frame.seq }));
    }
    chat.on("presence", ({ room, state, joined = [], left = [] }) => {
      const record = this.rooms.get(room);
      if (record === undefined) return;
      if (state !== undefined) this.#show(record, state);
      for (const { user_id } of joined) record.present.add(user_id);
      for (const { user_id } of left) record.present.delete(user_id);
    });
    chat.on("status", (status) => this.#turn(status));
    chat.on("resync", ({ room, reason }) => this.#complain(`resync of ${room}`, reason));
    chat.on("left", ({ room }) => this.#complain("left", room));
    chat.on("refused", ({ frame, error }) => this.#complain(`refused ${frame.client_id}`, error));
  }

  #turn(now: ChatStatus): void {
    const { status } = now;
    const at = performance.now();
    if (status === "reconnecting" && this.#isLeaver && this.mayLeave) return queueMicrotask(() => this.close());
    if (status === "handing_over") this.#transition ??= { kind: "hand-over", from: at, to: Infinity };
    if (now.status === "reconnecting") {
      this.#transition ??= { kind: "loss", from: at, to: Infinity };
      this.#transition.kind = now.error.closeCode === HAND_OVER_CODE ? "late hand-over" : "loss";
    }
    if (status !== "open" || this.#transition === undefined) return;
    this.transitions.push({ ...this.#transition, to: at });
    this.#transition = undefined;
  }

  #room(room: string, begin: number): RoomRecord {
    let record = this.rooms.get(room);
    if (record === undefined) this.rooms.set(room, record = { begin, events: [], present: new Set() });
    return record;
  }

  #take(room: string, event: LoggedEvent): void {
    this.#room(room, event.seq - 1).events.push(event);
  }

  #show({ present }: RoomRecord, members: readonly PresentMember[]): void {
    present.clear();
    for (const { user_id } of members) present.add(user_id);
  }

  #complain(what: string, error: unknown): void {
    this.complaints.push(`${what}: ${error instanceof Error ? error.message : error}`);
  }
}
