import type { Drain, Isolate } from "../isolate/isolate.ts";
import { ENDED, EXIT, type ExitNotice, type InFlight, NORMAL, type Pid, type Processes } from "../process/mod.ts";
import type { ErrorFrame, ReconnectFrame, TokenExpiringFrame } from "../protocol/connection_frames.ts";
import type { CloseCode, ErrorCode } from "../protocol/codes.ts";
import { closeOnceRead, holdUntold, isGone, MOST_LOOK_MS, UNREAD_BYTES } from "./close_once_read.ts";
import { closeOnceQuiet, closeSocket } from "./close_socket.ts";
import type { BufferBudget } from "./buffer_budget.ts";
import type { Counters } from "./counters.ts";
import { parseDurationMs } from "./duration.ts";
import { RateLimiter } from "./rate_limiter.ts";
import { MESSAGE_TOPIC, type Metadata, type Relay } from "./relay_to.ts";
import type { Places } from "./places.ts";
import { onceGone } from "./once_gone.ts";
import { ReadPace } from "./read_pace.ts";
import type { ResolvedSocketOptions } from "./socket_options.ts";
import type { Timer, Timers } from "./timers.ts";
import { utf8Length } from "./utf8_length.ts";

/** `ws.join`: a connection is open, and this process is its target now. */
export interface JoinMessage {
  /** The connection. */
  readonly client_pid: Pid;
  /** What the handler gave `relayTo`. */
  readonly metadata: Metadata;
}

/** A frame of a client, on the message topic. */
export type ClientMessage =
  | { readonly client_pid: Pid; readonly type: "text"; readonly data: string; readonly metadata: Metadata }
  | { readonly client_pid: Pid; readonly type: "binary"; readonly data: ArrayBuffer; readonly metadata: Metadata };

/** `ws.heartbeat`: the connection lives. `uptime` is in seconds. */
export interface HeartbeatMessage {
  /** The connection. */
  readonly client_pid: Pid;
  /** Seconds since it was made. */
  readonly uptime: number;
  /** Frames that it has brought. */
  readonly message_count: number;
}

/**
 * `ws.leave`: the connection is gone, or not this process's any more. Every target hears it once a connection, also of
 * one that never opened. `reason`: `closed` (by the client), `lost` (without a close frame), `never_opened`,
 * `transferred` (to another target), `hand_over`, `closed_by_target`, `exited` (its process was ended), or the error
 * code for which it was closed (`slow_reader`, `rate_limited`, `too_large`, `token_expired`, …).
 */
export interface LeaveMessage {
  /** The connection. */
  readonly client_pid: Pid;
  /** Why: see above. */
  readonly reason: string;
  /** As with `ws.join`. */
  readonly metadata: Metadata;
  /** How the client closed (1005 without a code), on a connection without control frames: for whoever passes it on. */
  readonly close?: { readonly code: number; readonly reason: string };
}

/** `ws.send`: a frame for the client. The same object may be sent to any number of connections. */
export interface SendMessage {
  /** Which kind of frame. */
  readonly type: "text" | "binary";
  /** Its payload; a string where it is text. */
  readonly data: string | ArrayBuffer | Uint8Array<ArrayBuffer>;
}

/** `ws.close`: close the connection. Default 1000; a code that must not be sent becomes 1011. */
export interface CloseMessage {
  /** RFC 6455 section 7.4. */
  readonly code?: number;
  /** Cut to 123 bytes. */
  readonly reason?: string;
}

/**
 * `ws.control`: hand the connection to another process, from the next frame on; with the pid it has already, only
 * `message_topic` and `metadata` change.
 */
export interface ControlMessage {
  /** Who it talks to from now on. */
  readonly target_pid: Pid;
  /** On which topic; default `ws.message` for another target. */
  readonly message_topic?: string;
  /** What is put on its messages; default what was there. */
  readonly metadata?: Metadata;
}

/** `ws.drain`: be gone by a moment inside the drain's window. */
export interface DrainMessage extends Pick<Drain, "reason" | "graceMs"> {
  readonly afterMs: number;
}

/**
 * `ws.hand_over`, to a target that asked for it (`RelayOptions.handsOver`): the client has to go to another isolate, or to come
 * back with a fresh token. Call `ready` when it may, within the grace of the drain; then it is closed in any case. Comes again
 * where the drain is hurried.
 */
export interface HandOverMessage {
  /** The connection. */
  readonly client_pid: Pid;
  /** Why the isolate drains: its age, or what `beforeunload` says; or `lifetime`, or `token_expiring`. */
  readonly reason: string;
  /** To be called once. */
  readonly ready: () => void;
}

/**
 * `ws.flush`: call `done` once what was sent has mostly left, or the connection is gone. A client that reads nothing for
 * half a minute meanwhile is closed as a slow reader. For a sender on this isolate.
 */
export interface FlushMessage {
  /** Called once. */
  readonly done: () => void;
}

/** What a connection shares with all others of its isolate. */
export interface ConnectionContext {
  readonly options: ResolvedSocketOptions;
  readonly processes: Processes;
  readonly isolate: Isolate;
  readonly counters: Counters;
  /** What all of them hold for clients that do not read. */
  readonly buffers: BufferBudget;
  readonly places: Places;
  readonly timers: Timers;
  /** The connection has ended, for the reason that its target heard; called once. */
  ended(connection: Connection, reason: string): void;
}

/** A client that has not opened its socket by then is not coming. */
const OPEN_TIMEOUT_MS = 10_000;
const TOKEN_WARNING_MS = 60_000;
/** A token that lasted so long is handed over before it ends: who comes back with the same is not handed over again. */
const LASTING_TOKEN_MS = 120_000;
/** How long a target may take to hand over a connection whose token ends: its turn is to end first. */
const TOKEN_GRACE_MS = 30_000;
/** A client that refrained for so long is forgiven the frames that were refused before. */
const RATE_FORGIVEN_MS = 10_000;
const ERROR_FRAME_INTERVAL_MS = 1_000;
/** A client that has so much to read is looked after until it has read it. */
const BACKLOG_BYTES = 64 * 1024;
/** The longest time between two looks after a client for which a sender waits. */
const MOST_FLUSH_LOOK_MS = 250;
/** For how long a client may read nothing while a sender waits for it. */
const MAX_STALL_MS = 30_000;

/** What becomes of a connection that is told to leave. */
interface Leaving {
  /** When the client was told to go, and when it is closed if it has not. */
  readonly at: number;
  readonly until: number;
  readonly reason: string;
  readonly timer: Timer;
  /** When the target is asked. */
  readonly asking: Timer | undefined;
}

/**
 * One socket's life, as a process: frames of the client go to its target, messages of any process go to the client.
 * Its public methods are the topics that it understands. It ends once, whatever happens: its target hears `ws.leave`,
 * its monitors `EXIT`, and the isolate lets go of it, without waiting for a peer that may never answer a close frame.
 */
export class Connection {
  readonly pid: Pid;
  /** The user that this connection counts for. */
  readonly userId: string | undefined;
  readonly #context: ConnectionContext;
  readonly #socket: WebSocket;
  readonly #controlFrames: boolean;
  readonly #asksTarget: boolean;
  readonly #heartbeatMs: number;
  readonly #openedAt = Date.now();
  #target: Pid;
  #messageTopic: string;
  #metadata: Metadata;
  #messageCount = 0;
  #lastFrameAt = 0;
  /** At most so many bytes are buffered: asking the socket with every frame costs a tenth of sending it. */
  #mostBuffered = 0;
  /** Above so much it is asked. */
  #askAbove: number;
  #isOpen = false;
  #ended = false;
  #closedBy: LeaveMessage["close"];
  /** Until it is open, the end of the wait for that; then the next that its token brings. */
  #timer: Timer | undefined;
  #listener: EventListenerObject | undefined;
  // An idle connection has none of what follows.
  #rate: RateLimiter | undefined;
  #inFlight: InFlight | undefined;
  #refused: { frames: number; at: number; told: number } | undefined;
  /** A drain that began before the socket was open. */
  #drain: DrainMessage | undefined;
  #leaving: Leaving | undefined;
  /** Much that the client has yet to read, and who waits for that. */
  #backlog: { readonly waiting: (() => void)[]; pace: ReadPace; timer: Timer | undefined } | undefined;
  /** Heartbeat, silence and lifetime, as far as they are set. */
  #watches: { heartbeat?: Timer; silence?: Timer; lifetime?: Timer } | undefined;

  constructor(context: ConnectionContext, socket: WebSocket, relay: Relay, options: { controlFrames: boolean }) {
    this.#context = context;
    this.#socket = socket;
    this.#controlFrames = options.controlFrames;
    this.#askAbove = Math.min(BACKLOG_BYTES, context.options.maxBufferedBytes);
    this.#asksTarget = relay.hands_over === true;
    this.#heartbeatMs = relay.heartbeat_interval === undefined
      ? context.options.heartbeatIntervalMs
      : parseDurationMs(relay.heartbeat_interval)!;
    this.#target = this.#resolve(relay.target_pid);
    this.#messageTopic = relay.message_topic;
    this.#metadata = relay.metadata;
    this.userId = typeof relay.metadata.user_id === "string" ? relay.metadata.user_id : undefined;
    context.isolate.hold();
    context.places.take(this.userId);
    this.pid = context.processes.spawn(this);
    // From here on the other end decides what happens: an exception in one of these would take the server down, but
    // whatever they call is a process's handler or guards itself.
    socket.binaryType = "arraybuffer";
    this.#listener = new Connection.#Listener(this);
    socket.addEventListener("open", this.#listener, ONCE);
    for (const type of EVENTS) socket.addEventListener(type, this.#listener);
    this.#timer = this.#after(OPEN_TIMEOUT_MS, (connection) => connection.#end("never_opened"));
  }

  /** One object for all events of a socket: a function for each costs the runtime three more objects. */
  static readonly #Listener = class implements EventListenerObject {
    readonly #connection: Connection;

    constructor(connection: Connection) {
      this.#connection = connection;
    }

    handleEvent(event: Event): void {
      this.#connection.#happened(event);
    }
  };

  /** Not made for each connection, as most of them hold one for as long as they live. */
  static readonly #warn = (connection: Connection): void => connection.#warnOfExpiry();
  static readonly #goBeforeExpiry = (connection: Connection): void => {
    connection.#warnOfExpiry();
    connection["ws.drain"]({ reason: "token_expiring", afterMs: 0, graceMs: TOKEN_GRACE_MS });
  };

  /** What was sent and the client has not read yet. */
  get bufferedBytes(): number {
    return this.#socket.bufferedAmount;
  }

  "ws.send"(frame: SendMessage): void {
    // The runtime drops what is sent to a socket that closes, and throws before it is open.
    if (this.#ended || !this.#isOpen) return;
    const { data } = frame;
    const { options, counters, buffers } = this.#context;
    // The runtime queues without limit: a client that stops reading would grow the memory by all that is sent to it.
    if (this.#mostBuffered > this.#askAbove && this.#askUnread() > options.maxBufferedBytes) {
      return this.dropSlowReader();
    }
    const mostBytes = typeof data === "string" ? 3 * data.length : data.byteLength;
    this.#mostBuffered += mostBytes;
    this.#socket.send(data);
    counters.messages_out++;
    buffers.sent(mostBytes);
  }

  "ws.close"({ code = 1000, reason = "closed" }: CloseMessage): void {
    if (isSendable(code)) this.#close(code, reason, "closed_by_target");
    else this.#close(1011, `closed with ${code}`, "closed_by_target");
  }

  "ws.control"({ target_pid, message_topic, metadata }: ControlMessage): void {
    if (this.#ended) return;
    const target = this.#resolve(target_pid);
    const previous = { target: this.#target, metadata: this.#metadata };
    this.#messageTopic = message_topic ?? (target === previous.target ? this.#messageTopic : MESSAGE_TOPIC);
    this.#metadata = metadata ?? this.#metadata;
    if (this.#isOpen) this.#watchToken();
    if (target === previous.target) return;
    this.#target = target;
    const { processes } = this.#context;
    // What the old target has not come to yet is the new one's: else it would be lost, or handled out of order.
    const unread = this.#inFlight === undefined ? [] : processes.takeBack(previous.target, this.#inFlight);
    processes.demonitor(this.pid, previous.target);
    this.#leave(previous.target, "transferred", previous.metadata);
    if (!this.#isOpen) return;
    this.#join();
    for (const { payload, bytes } of unread) {
      this.#pass({ ...payload as ClientMessage, metadata: this.#metadata }, bytes);
    }
  }

  "ws.drain"(drain: DrainMessage): void {
    if (!this.#isOpen) {
      this.#drain = drain;
      return;
    }
    const { reason, graceMs } = drain;
    const { timers, counters } = this.#context;
    if (this.#leaving === undefined) counters.handed_over++;
    // A second drain hurries the first one: the client's own moment stays where it was sooner.
    const now = Date.now();
    const before = this.#leaving;
    const afterMs = Math.max(0, Math.min(drain.afterMs, (before?.at ?? Infinity) - now));
    const hasGrace = this.#controlFrames || this.#asksTarget;
    const closeMs = Math.min(afterMs + (hasGrace ? graceMs : 0), (before?.until ?? Infinity) - now);
    timers.cancel(before?.timer);
    timers.cancel(before?.asking);
    this.#leaving = {
      at: now + afterMs,
      until: now + closeMs,
      reason,
      timer: this.#after(closeMs, (connection) => connection.#handOver()),
      asking: this.#asksTarget ? this.#after(afterMs, (connection) => connection.#askTarget()) : undefined,
    };
    this.#sendFrame({ type: "reconnect", after_ms: afterMs, reason });
  }

  "ws.flush"({ done }: FlushMessage): void {
    if (this.#ended || this.#hasRoom) return done();
    const backlog = this.#backlog ??= { waiting: [], pace: new ReadPace(), timer: undefined };
    // How long it has not read counts from when somebody waits for it.
    if (backlog.waiting.push(done) === 1) this.#lookAgain(new ReadPace());
  }

  [EXIT]({ pid, reason }: ExitNotice): void {
    if (pid !== this.#target) return;
    if (reason === NORMAL) this.#close(1000, "done", "closed_by_target");
    else this.#fail(1011, "internal", "The server process behind this connection failed");
  }

  /** The process was ended, from outside where the connection has not ended itself. */
  [ENDED](reason: string): void {
    if (reason === NORMAL) this.#close(1000, "done", "exited");
    else this.#close(1011, "internal", "exited");
  }

  #happened(event: Event): void {
    switch (event.type) {
      case "message":
        return this.#received((event as MessageEvent<string | ArrayBuffer>).data);
      case "open":
        return this.#opened();
      case "close":
        return this.#closed(event as CloseEvent);
      case "error":
        return this.#lost(isGone(event));
    }
  }

  #opened(): void {
    // The runtime opens a socket that was closed before it was open, and forgets about the close.
    if (this.#ended) return closeSocket(this.#socket, 1013, "ended before it opened");
    const { maxSilenceMs, maxLifetimeMs } = this.#context.options;
    this.#isOpen = true;
    this.#context.timers.cancel(this.#timer);
    this.#timer = undefined;
    this.#join();
    if (this.#ended) return;
    this.#watchToken();
    if (this.#drain !== undefined) this["ws.drain"](this.#drain);
    if (this.#heartbeatMs > 0) this.#awaitHeartbeat();
    if (maxSilenceMs > 0) {
      this.#lastFrameAt = Date.now();
      this.#awaitSilence();
    }
    if (maxLifetimeMs > 0) {
      this.#watches = {
        ...this.#watches,
        lifetime: this.#after(maxLifetimeMs, (connection) => {
          connection["ws.drain"]({ reason: "lifetime", afterMs: 0, graceMs: 10_000 });
        }),
      };
    }
  }

  #received(data: string | ArrayBuffer): void {
    if (this.#ended) return;
    const { options, counters } = this.#context;
    const bytes = typeof data === "string" ? utf8Length(data) : data.byteLength;
    if (bytes > options.maxFrameBytes) {
      return this.#fail(1009, "too_large", `A frame may hold ${options.maxFrameBytes} bytes`);
    }
    if (options.maxSilenceMs > 0) this.#lastFrameAt = Date.now();
    this.#rate ??= new RateLimiter(options); // Full, as it would be by now had it been there from the start.
    if (!this.#rate.take(bytes)) return this.#refuseFrame(bytes);
    this.#messageCount++;
    counters.messages_in++;
    counters.bytes_in += bytes;
    const client_pid = this.pid;
    const metadata = this.#metadata;
    this.#pass(
      typeof data === "string"
        ? { client_pid, type: "text", data, metadata }
        : { client_pid, type: "binary", data, metadata },
      bytes,
    );
  }

  /** Gives a frame to the target, in whose mailbox only so much of one connection may wait. */
  #pass(message: ClientMessage, size: number): void {
    const { options, processes } = this.#context;
    const inFlight = this.#inFlight ??= { messages: 0, bytes: 0 };
    const result = processes.send(this.#target, this.#messageTopic, message, size, inFlight);
    const { messages, bytes } = inFlight;
    if (result === "mailbox_full" || messages > options.maxInFlightMessages || bytes > options.maxInFlightBytes) {
      this.#fail(1013, "overloaded", "Frames come faster than they can be handled");
    }
  }

  #closed({ code, reason }: CloseEvent): void {
    if (this.#ended) return;
    if (code === 1006 || code === 0) return this.#lost();
    this.#context.counters.closedByClient(code);
    if (!this.#controlFrames) this.#closedBy = { code, reason };
    this.#end("closed");
  }

  /** `isGone`: there is no TCP connection any more. Else there may be one, and what its client has not read. */
  #lost(isGone = false): void {
    if (this.#ended) return;
    this.#context.counters.closed(1006);
    if (isGone) this.#mostBuffered = 0;
    this.#end("lost");
  }

  /** Answers a frame over the rate with an error, at most one a second; a client that goes on is closed. */
  #refuseFrame(bytes: number): void {
    const now = Date.now();
    const refused = this.#refused ??= { frames: 0, at: 0, told: 0 };
    if (now - refused.at > RATE_FORGIVEN_MS) refused.frames = 0;
    refused.frames++;
    refused.at = now;
    const message = "Frames come faster than the limit; this one was not read";
    // Without frames of our own a client could not learn that one of its frames is missing: the stream has to end.
    if (!this.#controlFrames || refused.frames > this.#context.options.messageBurst) {
      return this.#fail(4429, "rate_limited", message);
    }
    if (now - refused.told < ERROR_FRAME_INTERVAL_MS) return;
    refused.told = now;
    this.#sendFrame({ type: "error", code: "rate_limited", message, retry_after_ms: this.#rate!.waitMs(bytes) });
  }

  /** The pid behind a name: the end of a process, which a connection waits for, comes by its pid. */
  #resolve(target: Pid): Pid {
    return this.#context.processes.whereis(target) ?? target;
  }

  #join(): void {
    const { processes } = this.#context;
    const message: JoinMessage = { client_pid: this.pid, metadata: this.#metadata };
    processes.monitor(this.pid, this.#target);
    if (!this.#ended) processes.notify(this.#target, "ws.join", message);
  }

  #leave(target: Pid, reason: string, metadata: Metadata): void {
    const close = this.#closedBy;
    const message: LeaveMessage = { client_pid: this.pid, reason, metadata, ...(close && { close }) };
    this.#context.processes.notify(target, "ws.leave", message);
  }

  /** Whether what was sent has mostly left. */
  get #hasRoom(): boolean {
    return this.#socket.bufferedAmount <= this.#context.options.maxBufferedBytes / 4;
  }

  /** What is unread, as the socket says; where it is much, it is looked at from now on. */
  #askUnread(): number {
    const unread = this.#mostBuffered = this.#socket.bufferedAmount;
    this.#askAbove = Math.min(unread + BACKLOG_BYTES, this.#context.options.maxBufferedBytes);
    if (unread >= BACKLOG_BYTES && this.#backlog === undefined) {
      this.#backlog = { waiting: [], pace: new ReadPace(), timer: undefined };
      this.#lookAgain(this.#backlog.pace);
    }
    return unread;
  }

  #lookAgain(pace: ReadPace): void {
    const { timers } = this.#context;
    const backlog = this.#backlog!;
    const mostMs = backlog.waiting.length > 0 ? MOST_FLUSH_LOOK_MS : MOST_LOOK_MS;
    const periodMs = pace.look(this.bufferedBytes, timers.now, mostMs);
    timers.cancel(backlog.timer);
    backlog.pace = pace;
    backlog.timer = timers.onBeat(periodMs, this, (connection) => connection.#lookAfterClient());
  }

  #lookAfterClient(): void {
    const { waiting, pace } = this.#backlog!;
    const unread = this.#askUnread();
    if (this.#hasRoom) { for (const done of waiting.splice(0)) done(); }
    if (this.#ended) return;
    if (waiting.length === 0 && unread < BACKLOG_BYTES) {
      this.#backlog = undefined;
      return;
    }
    this.#lookAgain(pace);
    if (waiting.length > 0 && pace.stalledMs(this.#context.timers.now) >= MAX_STALL_MS) this.dropSlowReader();
  }

  #flushed(): void {
    for (const done of this.#backlog?.waiting.splice(0) ?? []) done();
  }

  #awaitHeartbeat(): void {
    const heartbeat = this.#after(this.#heartbeatMs, (connection) => {
      connection.#awaitHeartbeat();
      connection.#heartbeat();
    });
    this.#watches = { ...this.#watches, heartbeat };
  }

  #heartbeat(): void {
    const message: HeartbeatMessage = {
      client_pid: this.pid,
      uptime: (Date.now() - this.#openedAt) / 1000,
      message_count: this.#messageCount,
    };
    this.#context.processes.send(this.#target, "ws.heartbeat", message);
  }

  #awaitSilence(): void {
    const silence = this.#after(this.#context.options.maxSilenceMs / 4, (connection) => {
      connection.#awaitSilence();
      connection.#checkSilence();
    });
    this.#watches = { ...this.#watches, silence };
  }

  #checkSilence(): void {
    if (Date.now() - this.#lastFrameAt < this.#context.options.maxSilenceMs) return;
    this.#fail(4408, "heartbeat_missed", "Nothing came from the client for too long");
  }

  #watchToken(): void {
    this.#context.timers.cancel(this.#timer);
    this.#timer = undefined;
    const leftMs = this.#tokenLeftMs;
    if (Number.isNaN(leftMs)) return;
    // A target that hands over has clients that know of no `refresh`: they come back with a fresh token, as to another isolate.
    const goes = this.#asksTarget && leftMs > LASTING_TOKEN_MS;
    this.#timer = this.#after(leftMs - TOKEN_WARNING_MS, goes ? Connection.#goBeforeExpiry : Connection.#warn);
  }

  /** How long its token lasts; NaN where it has none, or one that never ends. */
  get #tokenLeftMs(): number {
    const { expires_at } = this.#metadata;
    return typeof expires_at === "string" ? Date.parse(expires_at) - Date.now() : NaN;
  }

  #warnOfExpiry(): void {
    this.#timer = this.#after(this.#tokenLeftMs, (connection) => {
      connection.#fail(4401, "token_expired", "The token has expired");
    });
    this.#sendFrame({ type: "token_expiring", expires_at: this.#metadata.expires_at as string });
  }

  /** Closes it, as its client does not read what is sent to it. */
  dropSlowReader(): void {
    this.#count("slow_reader");
    this.#close(1013, "slow_reader", "slow_reader");
  }

  #askTarget(): void {
    const reason = this.#leaving!.reason;
    const message: HandOverMessage = { client_pid: this.pid, reason, ready: () => this.#handOver() };
    this.#context.processes.notify(this.#target, "ws.hand_over", message);
  }

  #handOver(): void {
    this.#close(1012, `hand_over: ${this.#leaving!.reason}`, "hand_over");
  }

  /** Says why in an `error` frame, then closes. */
  #fail(closeCode: CloseCode, code: ErrorCode, message: string): void {
    if (this.#ended) return;
    this.#count(code);
    this.#sendFrame({ type: "error", code, message });
    this.#close(closeCode, `${code}: ${message}`, code);
  }

  #sendFrame(frame: ErrorFrame | ReconnectFrame | TokenExpiringFrame): void {
    if (this.#controlFrames) this["ws.send"]({ type: "text", data: JSON.stringify(frame) });
  }

  #close(code: number, reason: string, leaveReason: string): void {
    if (this.#ended) return;
    this.#context.counters.closed(code);
    // Ended first: whoever hears of it must not find a connection that still takes frames.
    this.#end(leaveReason, { code, reason });
  }

  /** Closes its socket, and gives its place back when nothing is held for it any more. */
  #closeSocket(code: number, reason: string, leaveReason: string): void {
    const { options, buffers, places, timers } = this.#context;
    const { userId } = this; // What waits for the socket's end must not hold the connection.
    const patience = { messages: options.messageBurst, bytes: options.byteBurst };
    if (this.#socket.bufferedAmount >= UNREAD_BYTES) {
      const held = buffers.closing(() => places.leave(userId));
      return closeOnceRead(this.#socket, { code, reason, patience, timers, held });
    }
    if (this.#isOpen) onceGone(this.#socket, () => places.leave(userId), timers);
    else places.leave(userId);
    if (SENT_TOO_MUCH.has(leaveReason)) closeOnceQuiet(this.#socket, code, reason, patience);
    else closeSocket(this.#socket, code, reason);
  }

  /** Of a socket that is closed already: `unread` was the last that was known of what its client had yet to read. */
  #givePlaceBack(unread: number): void {
    const { buffers, places, timers } = this.#context;
    const { userId } = this;
    if (unread === 0) return places.leave(userId);
    holdUntold(unread, buffers.closing(() => places.leave(userId)), timers);
  }

  #end(leaveReason: string, close?: { code: number; reason: string }): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#cancelTimers();
    // Whatever the runtime keeps of a socket (a peer that vanished stays CLOSING) must not keep the connection with it.
    // One that is not open yet has to be closed when it is.
    if (this.#isOpen) {
      for (const type of EVENTS) this.#socket.removeEventListener(type, this.#listener!);
      this.#listener = undefined;
    }
    if (close !== undefined) this.#closeSocket(close.code, close.reason, leaveReason);
    else this.#givePlaceBack(leaveReason === "lost" && this.#backlog !== undefined ? this.#mostBuffered : 0);
    this.#context.processes.demonitor(this.pid, this.#target);
    this.#leave(this.#target, leaveReason, this.#metadata);
    this.#flushed();
    this.#context.isolate.release();
    this.#context.ended(this, leaveReason);
    this.#context.processes.exit(this.pid, CLEAN_ENDS.has(leaveReason) ? NORMAL : leaveReason);
  }

  #count(code: ErrorCode): void {
    this.#context.counters.refused(code);
  }

  /** An action is one function for all connections, and is told which of them it is about. */
  #after(delayMs: number, action: (connection: Connection) => void): Timer {
    return this.#context.timers.after(delayMs, this, action);
  }

  #cancelTimers(): void {
    const { timers } = this.#context;
    timers.cancel(this.#timer);
    timers.cancel(this.#leaving?.timer);
    timers.cancel(this.#leaving?.asking);
    timers.cancel(this.#backlog?.timer);
    timers.cancel(this.#watches?.heartbeat);
    timers.cancel(this.#watches?.silence);
    timers.cancel(this.#watches?.lifetime);
  }
}

/** What a socket tells until it ends. */
const EVENTS = ["message", "close", "error"];
const ONCE = { once: true };

/** The leave reasons of a client that sent too much, and most likely goes on to. */
const SENT_TOO_MUCH: ReadonlySet<string> = new Set<ErrorCode>(["too_large", "rate_limited", "overloaded"]);

/** The leave reasons with which a connection's process ends normally. */
const CLEAN_ENDS: ReadonlySet<string> = new Set(["closed", "closed_by_target", "hand_over"]);

/** Whether a server may send this close code (RFC 6455 section 7.4): not those that only stand for the lack of one. */
function isSendable(code: number): boolean {
  if (!Number.isInteger(code)) return false;
  return code === 1000 || (code >= 3000 && code <= 4999) ||
    (code >= 1001 && code <= 1014 && code !== 1004 && code !== 1005 && code !== 1006);
}
