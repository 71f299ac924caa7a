import { retryAfter } from "../protocol/codes.ts";
import { HAND_OVER_FRAME, HAND_OVER_PARAMETER, SESSION_PARAMETER } from "../protocol/relay_frames.ts";
import { AskedResponses } from "./asked_responses.ts";
import { backoffDelayMs } from "./backoff_delay_ms.ts";
import { Backlog, type SendData } from "./backlog.ts";
import { randomId } from "./random_id.ts";
import { readEvent } from "./read_event.ts";

/** Where a `RelaySocket` goes, and with whose token. */
export interface RelaySocketOptions {
  /** The user's token, or what fetches one: it is asked for every socket. */
  readonly token: string | (() => TokenAnswer | Promise<TokenAnswer>);
  /**
   * An upstream at the relay (`wss://PROJECT.supabase.co/functions/v1/relay/NAME`), behind which path and query of the
   * socket's URL go; its host is dropped. Left out: the URL is the relay's already.
   */
  readonly relay?: string | URL;
  /** How long a connection may take to come about, its token included; default 10,000. */
  readonly connectTimeoutMs?: number;
  /**
   * Whether to connect again by itself, for a session at OpenAI that the relay goes on with; default false. See
   * `RelaySocket`.
   */
  readonly reconnect?: boolean | ReconnectOptions;
}

/** How a `RelaySocket` connects again. */
export interface ReconnectOptions {
  /**
   * Tries in a row before it gives up; default 10, which takes about two minutes. They count anew once `session.updated` has
   * come, or a connection has lasted for 30 s.
   */
  readonly maxAttempts?: number;
  /**
   * What may wait to be sent until there is a connection again and it has taken that, about in bytes; default 4 MiB: a
   * minute of PCM at 24 kHz. More ends it with `error` and 1013.
   */
  readonly maxQueuedBytes?: number;
  /** The relay's `MESSAGES_PER_SECOND`, below which what waited is sent; default 100, as there. */
  readonly messagesPerSecond?: number;
  /** The relay's `BYTES_PER_SECOND`, likewise; default 1 MiB, as there. */
  readonly bytesPerSecond?: number;
}

/** A token, or none where nobody is signed in. */
export type TokenAnswer = string | null | undefined;

/** As of `WebSocket`. */
export type BinaryType = WebSocket["binaryType"];
/** A number in Deno's types, one of four in those of a browser. */
export type ReadyState = WebSocket["readyState"];
/** A listener of an event. */
export type Listener<K extends keyof WebSocketEventMap> = (this: WebSocket, event: WebSocketEventMap[K]) => unknown;

/** By which the relay takes a token, so that it is in no URL. */
const TOKEN_PROTOCOL = "jwt-";
/** How long a relay may take to close after the farewell: its own grace is 10 s. */
const FAREWELL_MS = 12_000;
/** How long a relay may take to have a session again, once there is a connection: it gives OpenAI 20 s. */
const RESUME_MS = 30_000;
/** How long a connection has to last, if nothing else shows that the session is there, before tries are counted anew. */
const SETTLED_MS = 30_000;
/** As `ReconnectOptions` says. */
const RECONNECT_DEFAULTS: Required<ReconnectOptions> = {
  maxAttempts: 10,
  maxQueuedBytes: 4 * 1024 * 1024,
  messagesPerSecond: 100,
  bytesPerSecond: 1024 * 1024,
};

/**
 * A WebSocket through the relay: the standard interface, for a client that takes a WebSocket class and knows neither of
 * relays nor of their tokens. It fetches the token, connects with it, and is as transparent as the relay: frames, order,
 * close codes and reasons are the upstream's, or the relay's own (see its table of ends).
 *
 * It is one socket: when it has closed it stays closed, for a hand-over (1012) and a killed isolate (1006) as well. What
 * the layer above had going with the upstream went with it, and only that layer can start it again: `realtime-js` connects
 * and joins its channels again by itself, with another `RelaySocket` and a fresh token.
 *
 * With `reconnect` it is a session at OpenAI: it names the conversation by the parameter `session` (one of its own where the
 * URL has none), and once it was open it connects again after every close that lets one, with a fresh token, while it looks
 * open to the layer above. What that sends meanwhile, and on the first connection before the upstream speaks, waits, and goes
 * out when the relay has the session, which its first message shows where that is no `error`: no faster than the relay takes
 * it, with all that is sent then behind it. What was on its way when the connection broke may be lost, as on any socket. Where
 * that may be a `response.create`, an `error` event with the code `response_unconfirmed` says so. Then come `session.created`
 * and `session.updated` once more, and the conversation goes on. It tells of this by `reconnecting` and `reconnected`, which no
 * other WebSocket has. `close()` ends the conversation too, as 1000 does; with another code it is kept for an hour. What waits
 * then is not sent.
 *
 * A token that cannot be had ends it as a failed connection does: `error`, then `close` with 1006. So does a connection that
 * does not come about in time. With `reconnect` every wait is bounded: for a token, a connection, the session once more, and for
 * the end of one that is handed over; what takes longer counts as lost.
 *
 * ```ts
 * const supabase: SupabaseClient = createClient(url, publishableKey, {
 *   realtime: {
 *     transport: RelaySocket.with({
 *       relay: `${url}/functions/v1/relay/supabase`,
 *       token: async () => (await supabase.auth.getSession()).data.session?.access_token,
 *     }),
 *   },
 * });
 * ```
 */
export class RelaySocket extends EventTarget implements WebSocket {
  /** As `WebSocket.CONNECTING`. */
  static readonly CONNECTING = 0;
  /** As `WebSocket.OPEN`. */
  static readonly OPEN = 1;
  /** As `WebSocket.CLOSING`. */
  static readonly CLOSING = 2;
  /** As `WebSocket.CLOSED`. */
  static readonly CLOSED = 3;
  /** As `WebSocket.CONNECTING`. */
  readonly CONNECTING = 0;
  /** As `WebSocket.OPEN`. */
  readonly OPEN = 1;
  /** As `WebSocket.CLOSING`. */
  readonly CLOSING = 2;
  /** As `WebSocket.CLOSED`. */
  readonly CLOSED = 3;

  /** Where it connects to. There is no token in it. */
  readonly url: string;
  /** Called when frames may be sent. */
  onopen: WebSocket["onopen"] = null;
  /** Called for each frame. */
  onmessage: WebSocket["onmessage"] = null;
  /** Called before a close that is none of the peer. */
  onerror: WebSocket["onerror"] = null;
  /** Called once, at the end. */
  onclose: WebSocket["onclose"] = null;

  /** There is none before the token is there. */
  #socket: WebSocket | undefined;
  #stateWithoutSocket: ReadyState = RelaySocket.CONNECTING;
  #binaryType: BinaryType = "blob";
  readonly #protocols: readonly string[];
  readonly #token: RelaySocketOptions["token"];
  readonly #connectTimeoutMs: number;
  readonly #reconnect: Required<ReconnectOptions> | undefined;
  /** Between two connections. */
  #isPaused = false;
  /**
   * Whether this connection has shown the session: before, the relay may refuse it with all that was sent; after a farewell
   * it takes no more.
   */
  #session: "awaited" | "there" | "left" = "awaited";
  /** What waits for a connection, or for its turn on one. */
  readonly #backlog: Backlog;
  readonly #asked = new AskedResponses();
  /** Events of its own, to be told when there is a connection again. */
  #untold: string[] = [];
  /** The next try, the end of what it waits for, or when more of the backlog may go. */
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Tries in a row: a session that is lost before it is there, at once and each time, is none that came back. */
  #attempts = 0;
  /** When the relay last answered on a connection that is there. */
  #resumedAt = Infinity;
  /** The layer above has closed it. */
  #isClosing = false;

  /**
   * Begins to connect, once there is a token.
   * @param protocols offered to the relay beside the token.
   * @throws {TypeError} for a URL that is none.
   */
  constructor(url: string | URL, protocols: string | readonly string[] = [], options: RelaySocketOptions) {
    super();
    const { reconnect, connectTimeoutMs = 10_000 } = options;
    this.#connectTimeoutMs = connectTimeoutMs;
    this.url = relayUrl(url, options.relay, { isSession: !!reconnect });
    this.#protocols = [protocols].flat();
    this.#token = options.token;
    this.#reconnect = reconnect ? { ...RECONNECT_DEFAULTS, ...reconnect === true ? {} : reconnect } : undefined;
    const { messagesPerSecond, bytesPerSecond } = this.#reconnect ?? RECONNECT_DEFAULTS;
    this.#backlog = new Backlog({ messages_per_second: messagesPerSecond, bytes_per_second: bytesPerSecond });
    this.addEventListener("open", (event) => this.onopen?.(event));
    this.addEventListener("message", (event) => this.onmessage?.(event));
    this.addEventListener("error", (event) => this.onerror?.(event));
    this.addEventListener("close", (event) => this.onclose?.(event));
    this.#connect();
  }

  /** A class whose sockets have these options: for clients that make their sockets by themselves. */
  static with(options: RelaySocketOptions): new (url: string | URL, protocols?: string | string[]) => RelaySocket {
    return class extends RelaySocket {
      constructor(url: string | URL, protocols?: string | string[]) {
        super(url, protocols, options);
      }
    };
  }

  /** As of `WebSocket`; `CONNECTING` while the token is fetched, too. */
  get readyState(): ReadyState {
    if (this.#isPaused) return this.OPEN;
    return this.#socket?.readyState ?? this.#stateWithoutSocket;
  }

  /** Bytes that have been sent and have not left yet. */
  get bufferedAmount(): number {
    return this.#backlog.bytes + (this.#socket?.bufferedAmount ?? 0);
  }

  /** As of `WebSocket`. */
  get extensions(): string {
    return this.#socket?.extensions ?? "";
  }

  /** The subprotocol that was agreed on; none where only the token was offered. */
  get protocol(): string {
    const protocol = this.#socket?.protocol ?? "";
    return protocol.startsWith(TOKEN_PROTOCOL) ? "" : protocol;
  }

  /** As of `WebSocket`. */
  get binaryType(): BinaryType {
    return this.#binaryType;
  }

  set binaryType(type: BinaryType) {
    this.#binaryType = type;
    if (this.#socket) this.#socket.binaryType = type;
  }

  /**
   * Sends a frame.
   * @throws {DOMException} `InvalidStateError` before it is open.
   */
  send(data: SendData): void {
    if (this.#hasToWait) return this.#queue(data);
    if (this.#socket) return this.#transmit(this.#socket, data);
    if (this.#stateWithoutSocket !== this.CONNECTING) return;
    throw new DOMException("Cannot send as the socket is not open yet", "InvalidStateError");
  }

  /** Ends it, also while it connects; with `reconnect` the conversation as well, where no code but 1000 is given. */
  close(code: number | undefined = this.#reconnect && 1000, reason?: string): void {
    if (this.#isPaused) {
      // Where the relay has no connection to hear of it, the conversation goes by itself after an hour.
      if (this.#socket?.readyState === this.OPEN) this.#socket.close(code, reason);
      this.#giveUp(new CloseEvent("close", { code, reason, wasClean: true }));
    } else if (this.#socket) {
      this.#isClosing = true;
      this.#backlog.clear();
      this.#socket.close(code, reason);
    } else if (this.#stateWithoutSocket === this.CONNECTING) {
      this.#stateWithoutSocket = this.CLOSING;
      this.#stopWaiting();
      queueMicrotask(() => this.#fail("The socket was closed before it was open"));
    }
  }

  /** As of `WebSocket`. */
  override addEventListener<K extends keyof WebSocketEventMap>(
    type: K,
    listener: Listener<K>,
    options?: boolean | AddEventListenerOptions,
  ): void;
  /** As of `EventTarget`. */
  override addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
  override addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | AddEventListenerOptions,
  ): void {
    super.addEventListener(type, listener, options);
  }

  /** As of `WebSocket`. */
  override removeEventListener<K extends keyof WebSocketEventMap>(
    type: K,
    listener: Listener<K>,
    options?: boolean | EventListenerOptions,
  ): void;
  /** As of `EventTarget`. */
  override removeEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | EventListenerOptions,
  ): void;
  override removeEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | EventListenerOptions,
  ): void {
    super.removeEventListener(type, listener, options);
  }

  async #connect(): Promise<void> {
    const timer = this.#waitAtMost(this.#connectTimeoutMs);
    let token: TokenAnswer;
    try {
      // Not before the constructor has returned, also where it throws: nobody listens yet.
      token = await Promise.resolve().then(() => typeof this.#token === "function" ? this.#token() : this.#token);
    } catch (error) {
      return timer === this.#timer ? this.#fail("The token could not be fetched", error) : undefined;
    }
    if (timer !== this.#timer) return; // Too late, or closed meanwhile.
    if (!token) return this.#fail("There is no token: nobody is signed in");
    try {
      this.#bind(new WebSocket(this.url, [...this.#protocols, TOKEN_PROTOCOL + token]));
    } catch {
      // The engine's own message quotes what it was given, and with it the token.
      this.#fail("The URL, a subprotocol or the token is not one that a WebSocket can have");
    }
  }

  #bind(socket: WebSocket): void {
    this.#socket = socket;
    socket.binaryType = this.#binaryType;
    let wasOpen = false;
    socket.onopen = () => {
      wasOpen = true;
      if (this.#isPaused) return void this.#waitAtMost(RESUME_MS);
      this.#stopWaiting();
      this.dispatchEvent(new Event("open"));
    };
    socket.onmessage = ({ data, origin }) => {
      if (data === HAND_OVER_FRAME && this.#reconnect) return this.#sayFarewell(socket);
      if (this.#reconnect && this.#session === "awaited") {
        const error = readEvent(data, "error");
        if (!error) this.#begin();
        // One of the relay's own, after which it closes: who comes back need not hear of it.
        else if (this.#isPaused && error.code) return;
      }
      this.#asked.heard(data);
      // The relay has given the conversation to OpenAI.
      if (this.#attempts > 0 && !this.#isPaused && readEvent(data, "session.updated")) this.#attempts = 0;
      this.dispatchEvent(new MessageEvent("message", { data, origin }));
    };
    socket.onerror = (event) => {
      // One that connects again has not failed.
      if (!this.#isPaused && !(wasOpen && this.#reconnect)) this.dispatchEvent(copyError(event));
    };
    socket.onclose = (event) => {
      const close = new CloseEvent("close", event);
      const goesOn = this.#isPaused || (this.#reconnect && wasOpen && !this.#isClosing);
      if (goesOn) return this.#closed(close);
      this.#stopWaiting();
      this.dispatchEvent(close);
    };
  }

  /** A connection has ended that the layer above did not close. */
  #closed(close: CloseEvent): void {
    if (performance.now() - this.#resumedAt >= SETTLED_MS) this.#attempts = 0;
    this.#resumedAt = Infinity;
    const retry = retryAfter(close.code);
    const mayRetry = retry === "retry" || (retry === "retry_with_new_token" && typeof this.#token === "function");
    if (!this.#reconnect || !mayRetry || this.#attempts >= this.#reconnect.maxAttempts) {
      return this.#giveUp(close);
    }
    // Where an announced hand-over ends as one, all has arrived that was sent before.
    const hasArrived = this.#session === "awaited" || (this.#session === "left" && close.code === 1012);
    if (!hasArrived) this.#untold.push(...this.#asked.takeUnconfirmed());
    this.#session = "awaited";
    this.#beginPause();
    if (!this.#isPaused) return; // Who heard of it has closed it.
    // A hand-over has its moment already.
    const isHandOver = close.code === 1012 && this.#attempts === 0;
    const delayMs = isHandOver ? 0 : backoffDelayMs(this.#attempts, Math.random());
    this.#attempts++;
    this.#after(delayMs, () => this.#connect());
  }

  /** What is sent from now on waits for the next connection, so that none of it gets lost with this one. */
  #sayFarewell(socket: WebSocket): void {
    if (this.#isClosing) return;
    this.#beginPause();
    if (!this.#isPaused) return; // Who heard of it has closed it.
    this.#session = "left";
    socket.send(HAND_OVER_FRAME);
    this.#waitAtMost(FAREWELL_MS);
  }

  #beginPause(): void {
    if (this.#isPaused) return;
    this.#isPaused = true;
    this.dispatchEvent(new Event("reconnecting"));
  }

  /** Whether what is sent now would overtake what waits, or go to a connection that takes nothing yet, or no more. */
  get #hasToWait(): boolean {
    if (this.#isPaused || !this.#backlog.isEmpty) return true;
    if (!this.#reconnect || this.#isClosing) return false;
    const state = this.#socket?.readyState;
    return state === this.CLOSING || (state === this.OPEN && this.#session === "awaited");
  }

  #queue(data: SendData): void {
    this.#backlog.push(data);
    if (this.#backlog.bytes <= this.#reconnect!.maxQueuedBytes) return;
    const message = "More was sent than may wait for a connection";
    const close = new CloseEvent("close", { code: 1013, reason: `overloaded: ${message}` });
    this.#giveUp(new ErrorEvent("error", { message }), close);
  }

  /** The relay has the session, for the first time or again: its first message is no error. */
  #begin(): void {
    const isBack = this.#isPaused;
    this.#stopWaiting();
    this.#isPaused = false;
    this.#session = "there";
    this.#resumedAt = performance.now();
    this.#backlog.begin(this.#resumedAt);
    this.#flush();
    if (!isBack) return;
    this.dispatchEvent(new Event("reconnected"));
    for (const data of this.#untold.splice(0)) this.dispatchEvent(new MessageEvent("message", { data }));
  }

  #transmit(socket: WebSocket, data: SendData): void {
    socket.send(data);
    if (this.#reconnect) this.#asked.sent(data);
  }

  #flush(): void {
    const socket = this.#socket!;
    // One that takes no more is closed next.
    if (socket.readyState !== this.OPEN) return;
    const waitMs = this.#backlog.flush((data) => this.#transmit(socket, data), performance.now());
    if (waitMs > 0) this.#after(waitMs, () => this.#flush());
  }

  #giveUp(...ends: readonly Event[]): void {
    this.#stopWaiting();
    this.#backlog.clear();
    this.#isPaused = false;
    this.#stateWithoutSocket = this.CLOSED;
    this.#letGo();
    queueMicrotask(() => ends.forEach((event) => this.dispatchEvent(event)));
  }

  /** Hears no more of a socket: a peer that vanished never answers a close frame, and then its end comes late or never. */
  #letGo(): void {
    const socket = this.#socket;
    this.#socket = undefined;
    if (!socket) return;
    socket.onopen =
      socket.onmessage =
      socket.onerror =
      socket.onclose =
        null;
    socket.close();
  }

  /** What it waits for counts as lost after so long. */
  #waitAtMost(delayMs: number): unknown {
    return this.#after(delayMs, () => {
      this.#letGo();
      this.#fail("No connection came about in time");
    });
  }

  #after(delayMs: number, action: () => void): unknown {
    this.#stopWaiting();
    return this.#timer = setTimeout(action, delayMs);
  }

  #stopWaiting(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** Ends it where there is no socket to do so. */
  #fail(message: string, error?: unknown): void {
    const close = new CloseEvent("close", { code: 1006 });
    if (this.#isPaused) return this.#closed(close);
    if (this.#stateWithoutSocket === this.CLOSED) return;
    this.#stopWaiting();
    this.#stateWithoutSocket = this.CLOSED;
    this.dispatchEvent(new ErrorEvent("error", { message, error }));
    this.dispatchEvent(close);
  }
}

interface UrlOptions {
  readonly isSession: boolean;
}

function relayUrl(url: string | URL, relay: string | URL | undefined, { isSession }: UrlOptions): string {
  const own = new URL(url);
  const through = new URL(relay ?? own);
  if (relay !== undefined) {
    through.pathname = through.pathname.replace(/\/+$/, "") + own.pathname;
    for (const [name, value] of own.searchParams) through.searchParams.append(name, value);
  }
  if (isSession) {
    if (!through.searchParams.has(SESSION_PARAMETER)) through.searchParams.set(SESSION_PARAMETER, randomId());
    through.searchParams.set(HAND_OVER_PARAMETER, "announced");
  }
  through.protocol = through.protocol.replace(/^http/, "ws");
  return through.href;
}

/** A browser's has no message, Deno's has one. */
function copyError(event: Event): Event {
  const { message, error } = event as Partial<ErrorEvent>;
  return message === undefined ? new Event("error") : new ErrorEvent("error", { message, error });
}
