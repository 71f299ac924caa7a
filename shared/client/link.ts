import type { ChatClientFrame } from "../protocol/chat_client_frames.ts";
import type { ChatServerFrame } from "../protocol/chat_server_frames.ts";
import type { ErrorFrame } from "../protocol/connection_frames.ts";
import type { LinkEnd } from "./after_close.ts";
import type { Clock } from "./clock.ts";
import { Pacer } from "./pacer.ts";
import { Pinger } from "./pinger.ts";

/** What is used of a `WebSocket`. */
export type SocketLike = Pick<WebSocket, "send" | "close" | "onmessage" | "onclose">;

/** Makes sockets: `WebSocket` itself, or what a test puts in its place. */
export type SocketConstructor = new (url: string) => SocketLike;

/** What all links of a client share. */
export interface LinkSettings {
  readonly WebSocket: SocketConstructor;
  readonly clock: Clock;
  /** How long it may take from here to the `connection` frame, the token included. */
  readonly connectTimeoutMs: number;
  /** See `Pinger`. */
  readonly pingIntervalMs: number;
  readonly pongTimeoutMs: number;
}

/** Who hears of a link. Nothing is told after `ended`, and nothing at all once it was closed from here. */
export interface LinkListener {
  received(link: Link, frame: ChatServerFrame): void;
  ended(link: Link, end: LinkEnd): void;
}

const PING = JSON.stringify({ type: "ping" } satisfies ChatClientFrame);

/**
 * One socket of a chat client, from fetching its token to its end, which comes once, whatever happens: a dial that hangs,
 * a server that accepts and says nothing, a network that dies without a word. What is sent waits where it would exceed
 * the server's rate.
 */
export class Link {
  readonly #settings: LinkSettings;
  readonly #listener: LinkListener;
  #socket: SocketLike | undefined;
  #timer: unknown;
  #pinger: Pinger | undefined;
  #pacer: Pacer | undefined;
  /** In order, as text. */
  readonly #waiting = new Map<ChatClientFrame, string>();
  #sendTimer: unknown;
  /** The `error` frame that may turn out to be the reason of a close. */
  #failure: ErrorFrame | undefined;
  #readyAt: number | undefined;
  #ended = false;

  /** `url` gives the address, with a token in it; where it rejects, that is how the link ends. */
  constructor(url: () => Promise<string>, settings: LinkSettings, listener: LinkListener) {
    this.#settings = settings;
    this.#listener = listener;
    const { clock, connectTimeoutMs } = settings;
    this.#timer = clock.setTimeout(() => this.fail("No connection came about in time"), connectTimeoutMs);
    // In a later turn, so that whoever made this link holds it before it can end.
    Promise.resolve().then(url).then((url) => this.#open(url)).catch((cause) => {
      this.fail("The connection could not be begun", cause);
    });
  }

  /** How long it has been ready, in milliseconds; 0 where it never was. */
  get readyForMs(): number {
    return this.#readyAt === undefined ? 0 : this.#settings.clock.now() - this.#readyAt;
  }

  /**
   * Sends a frame, in order, once the server's rate allows it. One that waits already keeps its place, and goes once. What
   * still waits when the link ends is dropped.
   */
  send(frame: ChatClientFrame): void {
    if (this.#ended) return;
    this.#waiting.set(frame, JSON.stringify(frame));
    if (this.#sendTimer === undefined) this.#sendWaiting();
  }

  /** Sends nothing for so long. */
  holdOff(delayMs: number): void {
    if (this.#ended) return;
    const { clock } = this.#settings;
    clock.clearTimeout(this.#sendTimer);
    this.#sendTimer = clock.setTimeout(() => this.#sendWaiting(), delayMs);
  }

  /** Asks whether the peer still lives; where it does not, the link ends soon. */
  probe(): void {
    this.#pinger?.probe();
  }

  /** Ends it from here, as if the network had broken it. */
  fail(reason: string, cause?: unknown): void {
    this.#end({ code: 1006, reason, ...(cause !== undefined && { cause }) });
  }

  /** Closes it; the listener hears of nothing any more. May be called twice. */
  close(code: number, reason: string): void {
    if (!this.#ended) this.#release(code, reason);
  }

  #open(url: string): void {
    if (this.#ended) return;
    const socket = new this.#settings.WebSocket(url);
    this.#socket = socket;
    socket.onmessage = ({ data }) => this.#received(data);
    // Deno gives 0 for a dial that failed, browsers 1006; an `error` event is always followed by this one.
    socket.onclose = ({ code, reason }) => this.#end({ code: code === 0 ? 1006 : code, reason });
  }

  #received(data: unknown): void {
    if (this.#ended) return;
    const frame = parseFrame(data);
    if (frame === undefined) return;
    this.#pinger?.heard();
    if (frame.type === "connection") this.#ready(frame.limits);
    this.#failure = frame.type === "error" ? frame : undefined;
    this.#listener.received(this, frame);
  }

  #ready(limits: { messages_per_second: number; bytes_per_second: number }): void {
    const { clock, pingIntervalMs: intervalMs, pongTimeoutMs: timeoutMs } = this.#settings;
    clock.clearTimeout(this.#timer);
    this.#readyAt = clock.now();
    this.#pacer = new Pacer(limits, this.#readyAt);
    this.#pinger?.stop();
    this.#pinger = new Pinger({
      clock,
      intervalMs,
      timeoutMs,
      // Past all that waits: it must not be that which is late.
      ping: () => this.#socket?.send(PING),
      dead: () => this.fail("Nothing comes from the server any more"),
    });
  }

  #sendWaiting(): void {
    const { clock } = this.#settings;
    this.#sendTimer = undefined;
    for (const [frame, text] of this.#waiting) {
      // UTF-8 needs at most three bytes for a UTF-16 unit: an estimate that is never too low is enough.
      const waitMs = this.#pacer?.take(3 * text.length, clock.now()) ?? 0;
      if (waitMs > 0) return this.holdOff(waitMs);
      this.#waiting.delete(frame);
      this.#socket?.send(text);
    }
  }

  #end(end: LinkEnd): void {
    if (this.#ended) return;
    this.#release(1000, "done");
    const failure = this.#failure;
    this.#listener.ended(this, { ...end, ...(failure !== undefined && { failure }) });
  }

  #release(code: number, reason: string): void {
    const { clock } = this.#settings;
    this.#ended = true;
    clock.clearTimeout(this.#timer);
    clock.clearTimeout(this.#sendTimer);
    this.#pinger?.stop();
    this.#waiting.clear();
    const socket = this.#socket;
    if (socket === undefined) return;
    // Let go of at once: a peer that vanished never answers a close frame, and then no event comes for a long time.
    socket.onmessage = null;
    socket.onclose = null;
    socket.close(code, reason);
  }
}

/** A frame of the server; `undefined` for what is none: a log event that is lost so shows as a gap. */
function parseFrame(data: unknown): ChatServerFrame | undefined {
  if (typeof data !== "string") return undefined;
  try {
    const frame = JSON.parse(data);
    return typeof frame?.type === "string" ? frame : undefined;
  } catch {
    return undefined;
  }
}
