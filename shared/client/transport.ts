import type { ChatClientFrame } from "../protocol/chat_client_frames.ts";
import type { AckFrame, ChatServerFrame, LogFrame } from "../protocol/chat_server_frames.ts";
import type { ErrorFrame } from "../protocol/connection_frames.ts";
import { ChatError } from "./chat_error.ts";
import type { ChatEvents } from "./chat_events.ts";
import { chatUrl } from "./chat_url.ts";
import { Emitter } from "./emitter.ts";
import { Link, type LinkListener, type LinkSettings } from "./link.ts";
import { type ChatStatus, type ConnectReason, LinkKeeper } from "./link_keeper.ts";
import { LinkRooms, type RoomsState } from "./link_rooms.ts";
import { mayBeIgnored } from "./may_be_ignored.ts";
import { Outbox, type OutboxLimits } from "./outbox.ts";
import type { OutboxStorage, OutgoingFrame } from "./outbox_storage.ts";
import { Positions } from "./positions.ts";
import { Requests } from "./requests.ts";
import { TokenRefresh } from "./token_refresh.ts";
import { type NetworkWatch, watchNetwork } from "./watch_network.ts";

/** Why a token is asked for: for a connection, or to go on with the one there is. */
export type TokenReason = ConnectReason | "refresh";

/** A token, or what fetches one. */
export type TokenSource = string | ((reason: TokenReason) => string | Promise<string>);

/** `ChatOptions` with every default filled in. */
export interface TransportSettings extends LinkSettings {
  readonly url: string | URL;
  readonly token: TokenSource;
  readonly room: string | undefined;
  readonly session: string;
  readonly storage: OutboxStorage;
  readonly outbox: OutboxLimits;
  readonly requestTimeoutMs: number;
  readonly network: NetworkWatch;
  readonly random: () => number;
}

type PassingFrame = Exclude<ChatServerFrame, LogFrame | { type: "batch" }>;

/** The frames that name a place in a log without being an event of it. */
const ENTRIES: ReadonlySet<string> = new Set<PassingFrame["type"]>(["connection", "joined", "ack"]);
const RATE_PAUSE_MS = 1_000;

/**
 * Carries frames between an application and a chat server over connections that come and go: hands each event of a log
 * on once and in order, and sends again what was not answered.
 */
export class Transport {
  readonly #settings: TransportSettings;
  readonly #emitter = new Emitter<ChatEvents>();
  readonly #keeper: LinkKeeper;
  readonly #outbox: Outbox<Link>;
  readonly #requests: Requests<Link>;
  readonly #rooms: RoomsState;
  readonly #linkRooms = new Map<Link, LinkRooms>();
  readonly #tokenRefresh: TokenRefresh;
  readonly #unwatch: () => void;
  #maxFrameBytes = Infinity;
  #userId: string | undefined;

  constructor(settings: TransportSettings) {
    const { clock, random, storage, outbox: limits, requestTimeoutMs: timeoutMs } = settings;
    this.#settings = settings;
    this.#rooms = { room: settings.room, positions: new Positions(), joined: new Set(), left: new Set(), begun: false };
    this.#requests = new Requests({ clock, timeoutMs, transmit: (frame) => this.transmit(frame) });
    this.#outbox = new Outbox({
      storage,
      limits,
      clock,
      random,
      transmit: (frame) => this.#transmitMessage(frame),
      settled: (frame, result) => this.#messageSettled(frame, result),
    });
    this.#keeper = new LinkKeeper({
      clock,
      random,
      canRenewToken: typeof settings.token === "function",
      openLink: (reason, listener) => this.#openLink(reason, listener),
    }, {
      ready: (link, frame) => this.#ready(link, frame),
      received: (link, frame) => this.#received(link, frame),
      lost: (link) => this.#lost(link),
      isNeeded: (old) => this.#outbox.isUnderWay(old) || this.#requests.isUnderWay(old) || this.#isEntering(),
      statusChanged: (status) => this.#statusChanged(status),
    });
    this.#tokenRefresh = new TokenRefresh(clock, () => this.refresh());
    this.#unwatch = watchNetwork(settings.network, () => this.wake());
    this.#keeper.start();
  }

  get session(): string {
    return this.#settings.session;
  }

  get status(): ChatStatus {
    return this.#keeper.status;
  }

  /** Who the server says that this is, once it has said so. */
  get userId(): string | undefined {
    return this.#userId;
  }

  /** The messages that have no `ack` yet, in order. */
  get pending(): readonly OutgoingFrame[] {
    return this.#outbox.pending;
  }

  on<T extends keyof ChatEvents>(name: T, listener: (event: ChatEvents[T]) => void): () => void {
    return this.#emitter.on(name, listener);
  }

  /** Sends a message by way of the outbox: see `Outbox.add`. */
  post(frame: OutgoingFrame): Promise<AckFrame> {
    const closed = this.#closedError();
    return mayBeIgnored(closed === undefined ? this.#outbox.add(frame) : Promise.reject(closed));
  }

  /** Asks something: see `Requests.ask`. */
  ask(frame: ChatClientFrame): Promise<ChatServerFrame> {
    const closed = this.#closedError();
    return mayBeIgnored(closed === undefined ? this.#requests.ask(frame) : Promise.reject(closed));
  }

  /** Sends a frame over the connection there is, and gives that; `undefined` where there is none. */
  transmit(frame: ChatClientFrame): Link | undefined {
    const link = this.#keeper.current;
    link?.send(frame);
    return link;
  }

  /** Goes on with a fresh token. */
  refresh(): Promise<ChatServerFrame> {
    const closed = this.#closedError();
    const token = closed === undefined ? this.#fetchToken("refresh") : Promise.reject(closed);
    return mayBeIgnored(token.then((jwt) => this.ask({ type: "refresh", jwt })));
  }

  /** Joins a room beside that of the connection, here and on every later connection. */
  join(room: string): Promise<ChatServerFrame> {
    this.#rooms.left.delete(room);
    const joined = this.ask({ type: "join", room }).then((answer) => {
      if (room !== this.#rooms.room && !this.#rooms.left.has(room)) this.#rooms.joined.add(room);
      return answer;
    });
    return mayBeIgnored(joined);
  }

  /** Hears no more of a room, here and on every later connection. */
  leave(room: string): Promise<ChatServerFrame> {
    this.#rooms.joined.delete(room);
    this.#rooms.left.add(room);
    return this.ask({ type: "leave", room });
  }

  wake(): void {
    this.#keeper.wake();
  }

  close(): void {
    this.#keeper.close();
  }

  #openLink(reason: ConnectReason, listener: LinkListener): Link {
    const { url, session, room } = this.#settings;
    const rooms = new LinkRooms(this.#rooms, {
      send: (frame) => link.send(frame),
      tell: (frame) => this.#tell(frame),
      fail: (why) => link.fail(why),
    });
    const address = async () => {
      const token = await this.#fetchToken(reason);
      return chatUrl(url, { token, session, room, position: rooms.ask() });
    };
    const link: Link = new Link(address, this.#settings, listener);
    this.#linkRooms.set(link, rooms);
    return link;
  }

  async #fetchToken(reason: TokenReason): Promise<string> {
    const { token } = this.#settings;
    try {
      return typeof token === "string" ? token : await token(reason);
    } catch (cause) {
      throw new ChatError("token_failed", "The token could not be fetched", { cause });
    }
  }

  #ready(link: Link, frame: ChatEvents["connection"]): void {
    this.#tokenRefresh.stop();
    this.#userId = frame.user_id;
    this.#maxFrameBytes = frame.limits.max_frame_bytes;
    this.#linkRooms.get(link)?.opened(frame);
    this.#tell(frame);
    this.#flush();
  }

  #received(link: Link, frame: ChatServerFrame): void {
    switch (frame.type) {
      case "batch":
        for (const event of frame.events) this.#takeEvent(link, event);
        return;
      case "ack":
        if (!this.#outbox.acknowledge(frame)) this.#requests.answer(frame);
        this.#tell(frame);
        break;
      case "error":
        this.#takeError(link, frame);
        break;
      default:
        if (isLogFrame(frame)) return this.#takeEvent(link, frame);
        if (link === this.#keeper.current) this.#takePassing(this.#linkRooms.get(link)!, frame);
        // Which rooms a client is in counts on its newest connection alone.
        else if (frame.type === "joined" || frame.type === "left") this.#requests.askAgain(frame);
        // Who shows a count hears it from the event, whoever asked.
        else if (this.#requests.answer(frame) && frame.type === "unread_count") this.#tell(frame);
    }
    this.#keeper.settled();
  }

  /** Whether there are rooms that the newest connection does not hear of yet. */
  #isEntering(): boolean {
    const { current } = this.#keeper;
    return current !== undefined && this.#linkRooms.get(current)!.isEntering;
  }

  #takeEvent(link: Link, frame: LogFrame): void {
    const { room, seq } = frame.type === "new_message" ? frame.message : frame;
    if (this.#rooms.left.has(room)) return;
    // A gap on a connection that is left needs no filling: the newer one resumes from before it.
    const rooms = link === this.#keeper.current ? this.#linkRooms.get(link)! : this.#rooms.positions;
    if (rooms.take(room, seq) !== "next") return;
    this.#tell(frame);
    if (frame.type === "new_message") this.#emitter.emit("message", frame.message);
  }

  #takePassing(rooms: LinkRooms, frame: PassingFrame): void {
    this.#requests.answer(frame);
    if (frame.type === "joined") return rooms.joined(frame);
    if (frame.type === "left") return rooms.left(frame);
    if (frame.type === "resync") return rooms.resync(frame);
    // Before the application hears of it, and perhaps closes the client.
    if (frame.type === "token_expiring" && typeof this.#settings.token !== "string") this.#tokenRefresh.expiring();
    if (frame.type === "refreshed") this.#tokenRefresh.stop();
    this.#tell(frame);
  }

  #takeError(link: Link, frame: ErrorFrame): void {
    if (this.#linkRooms.get(link)?.refuse(frame)) return;
    if (!this.#outbox.refuse(frame) && !this.#requests.refuse(frame) && frame.code === "rate_limited") {
      this.#sendAgainAfter(link, frame.retry_after_ms ?? RATE_PAUSE_MS);
    }
    this.#tell(frame);
  }

  /** A frame over the rate was not read, and nobody says which: all that has no answer yet goes again. */
  #sendAgainAfter(link: Link, delayMs: number): void {
    this.#linkRooms.get(link)?.unread();
    link.holdOff(delayMs);
    this.#lose(link);
  }

  #lost(link: Link): void {
    this.#linkRooms.delete(link);
    this.#lose(link);
  }

  #lose(link: Link): void {
    this.#outbox.lost(link);
    this.#requests.lost(link);
    this.#flush();
  }

  #flush(): void {
    this.#outbox.flush();
    this.#requests.flush();
  }

  #transmitMessage(frame: OutgoingFrame): Link | undefined {
    const bytes = utf8Length(JSON.stringify(frame), this.#maxFrameBytes);
    if (bytes <= this.#maxFrameBytes || this.#keeper.current === undefined) return this.transmit(frame);
    // It would end the connection, and the next one after every reload.
    const error = new ChatError("too_large", `Cannot send as a message may have ${this.#maxFrameBytes} bytes`);
    queueMicrotask(() => this.#outbox.refuseForGood(frame.client_id, error));
  }

  #messageSettled(frame: OutgoingFrame, result: AckFrame | ChatError): void {
    if (result instanceof ChatError) this.#emitter.emit("refused", { frame, error: result });
    else this.#emitter.emit("sent", { frame, ack: result });
  }

  #statusChanged(status: ChatStatus): void {
    if (status.status === "reconnecting" || status.status === "closed") this.#tokenRefresh.stop();
    if (status.status !== "closed") return this.#emitter.emit("status", status);
    const error = this.#closedError()!;
    this.#unwatch();
    this.#outbox.abandon(error);
    this.#requests.abandon(error);
    this.#emitter.emit("status", status);
    this.#emitter.clear();
  }

  #closedError(): ChatError | undefined {
    const { status } = this.#keeper;
    if (status.status !== "closed") return undefined;
    return status.error ?? new ChatError("closed", "The client is closed");
  }

  /** Tells the application of a frame under its type. */
  #tell(frame: Exclude<ChatServerFrame, { type: "batch" }>): void {
    this.#emitter.emit(frame.type, frame as never);
  }
}

/** Whether a frame shows an event of a log: by its members, as an event of a kind that came later counts in the log, too. */
function isLogFrame(frame: PassingFrame | LogFrame): frame is LogFrame {
  return frame.type === "new_message" || ("room" in frame && "seq" in frame && !ENTRIES.has(frame.type));
}

/** The bytes of a text in UTF-8; counted only where they may exceed `limit`, else an upper bound. */
function utf8Length(text: string, limit: number): number {
  const most = 3 * text.length;
  return most <= limit ? most : new TextEncoder().encode(text).length;
}
