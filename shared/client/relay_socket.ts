/** Where a `RelaySocket` goes, and with whose token. */
export interface RelaySocketOptions {
  /** The user's token, or what fetches one: it is asked for every socket. */
  readonly token: string | (() => TokenAnswer | Promise<TokenAnswer>);
  /**
   * An upstream at the relay (`wss://PROJECT.supabase.co/functions/v1/relay/NAME`), behind which path and query of the
   * socket's URL go; its host is dropped. Left out: the URL is the relay's already.
   */
  readonly relay?: string | URL;
}

/** A token, or none where nobody is signed in. */
type TokenAnswer = string | null | undefined;

type BinaryType = WebSocket["binaryType"];
/** A number in Deno's types, one of four in those of a browser. */
type ReadyState = WebSocket["readyState"];
type SendData = Parameters<WebSocket["send"]>[0];
type Listener<K extends keyof WebSocketEventMap> = (this: WebSocket, event: WebSocketEventMap[K]) => unknown;

/** By which the relay takes a token, so that it is in no URL. */
const TOKEN_PROTOCOL = "jwt-";

/**
 * A WebSocket through the relay: the standard interface, for a client that takes a WebSocket class and knows neither of
 * relays nor of their tokens. It fetches the token, connects with it, and is as transparent as the relay: frames, order,
 * close codes and reasons are the upstream's, or the relay's own (see its table of ends).
 *
 * It is one socket: when it has closed it stays closed, for a hand-over (1012) and a killed isolate (1006) as well. What
 * the layer above had going with the upstream went with it, and only that layer can start it again: `realtime-js` connects
 * and joins its channels again by itself, with another `RelaySocket` and a fresh token.
 *
 * A token that cannot be had ends it as a failed connection does: `error`, then `close` with 1006.
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
  static readonly CONNECTING = 0;
  static readonly OPEN = 1;
  static readonly CLOSING = 2;
  static readonly CLOSED = 3;
  readonly CONNECTING = 0;
  readonly OPEN = 1;
  readonly CLOSING = 2;
  readonly CLOSED = 3;

  /** Where it connects to. There is no token in it. */
  readonly url: string;
  onopen: WebSocket["onopen"] = null;
  onmessage: WebSocket["onmessage"] = null;
  onerror: WebSocket["onerror"] = null;
  onclose: WebSocket["onclose"] = null;

  /** There is none before the token is there. */
  #socket: WebSocket | undefined;
  #stateWithoutSocket: ReadyState = RelaySocket.CONNECTING;
  #binaryType: BinaryType = "blob";

  /**
   * @param protocols offered to the relay beside the token.
   * @throws {TypeError} for a URL that is none.
   */
  constructor(url: string | URL, protocols: string | readonly string[] = [], options: RelaySocketOptions) {
    super();
    this.url = relayUrl(url, options.relay);
    this.addEventListener("open", (event) => this.onopen?.(event));
    this.addEventListener("message", (event) => this.onmessage?.(event));
    this.addEventListener("error", (event) => this.onerror?.(event));
    this.addEventListener("close", (event) => this.onclose?.(event));
    this.#connect([protocols].flat(), options.token);
  }

  /** A class whose sockets have these options: for clients that make their sockets by themselves. */
  static with(options: RelaySocketOptions): new (url: string | URL, protocols?: string | string[]) => RelaySocket {
    return class extends RelaySocket {
      constructor(url: string | URL, protocols?: string | string[]) {
        super(url, protocols, options);
      }
    };
  }

  get readyState(): ReadyState {
    return this.#socket?.readyState ?? this.#stateWithoutSocket;
  }

  get bufferedAmount(): number {
    return this.#socket?.bufferedAmount ?? 0;
  }

  get extensions(): string {
    return this.#socket?.extensions ?? "";
  }

  /** The subprotocol that was agreed on; none where only the token was offered. */
  get protocol(): string {
    const protocol = this.#socket?.protocol ?? "";
    return protocol.startsWith(TOKEN_PROTOCOL) ? "" : protocol;
  }

  get binaryType(): BinaryType {
    return this.#binaryType;
  }

  set binaryType(type: BinaryType) {
    this.#binaryType = type;
    if (this.#socket !== undefined) this.#socket.binaryType = type;
  }

  /** @throws {DOMException} `InvalidStateError` before it is open. */
  send(data: SendData): void {
    if (this.#socket !== undefined) return this.#socket.send(data);
    if (this.#stateWithoutSocket !== this.CONNECTING) return;
    throw new DOMException("Cannot send as the socket is not open yet", "InvalidStateError");
  }

  close(code?: number, reason?: string): void {
    if (this.#socket !== undefined) {
      if (code === undefined) this.#socket.close();
      else this.#socket.close(code, reason);
    } else if (this.#stateWithoutSocket === this.CONNECTING) {
      this.#stateWithoutSocket = this.CLOSING;
      queueMicrotask(() => this.#fail("The socket was closed before it was open"));
    }
  }

  override addEventListener<K extends keyof WebSocketEventMap>(
    type: K,
    listener: Listener<K>,
    options?: boolean | AddEventListenerOptions,
  ): void;
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

  override removeEventListener<K extends keyof WebSocketEventMap>(
    type: K,
    listener: Listener<K>,
    options?: boolean | EventListenerOptions,
  ): void;
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

  async #connect(protocols: readonly string[], source: RelaySocketOptions["token"]): Promise<void> {
    let token: TokenAnswer;
    try {
      // Not before the constructor has returned, also where it throws: nobody listens yet.
      token = await Promise.resolve().then(() => typeof source === "function" ? source() : source);
    } catch (error) {
      return this.#fail("The token could not be fetched", error);
    }
    if (this.#stateWithoutSocket !== this.CONNECTING) return;
    if (!token) return this.#fail("There is no token: nobody is signed in");
    try {
      this.#bind(new WebSocket(this.url, [...protocols, TOKEN_PROTOCOL + token]));
    } catch {
      // The engine's own message quotes what it was given, and with it the token.
      this.#fail("The URL, a subprotocol or the token is not one that a WebSocket can have");
    }
  }

  #bind(socket: WebSocket): void {
    this.#socket = socket;
    socket.binaryType = this.#binaryType;
    socket.onopen = () => this.dispatchEvent(new Event("open"));
    socket.onmessage = ({ data, origin }) => this.dispatchEvent(new MessageEvent("message", { data, origin }));
    socket.onerror = (event) => this.dispatchEvent(copyError(event));
    socket.onclose = ({ code, reason, wasClean }) => {
      this.dispatchEvent(new CloseEvent("close", { code, reason, wasClean }));
    };
  }

  /** Ends it where there is no socket to do so. */
  #fail(message: string, error?: unknown): void {
    if (this.#stateWithoutSocket === this.CLOSED) return;
    this.#stateWithoutSocket = this.CLOSED;
    this.dispatchEvent(new ErrorEvent("error", { message, error }));
    this.dispatchEvent(new CloseEvent("close", { code: 1006, reason: "", wasClean: false }));
  }
}

function relayUrl(url: string | URL, relay: string | URL | undefined): string {
  const own = new URL(url);
  const through = new URL(relay ?? own);
  if (relay !== undefined) {
    through.pathname = through.pathname.replace(/\/+$/, "") + own.pathname;
    for (const [name, value] of own.searchParams) through.searchParams.append(name, value);
  }
  through.protocol = through.protocol.replace(/^http/, "ws");
  return through.href;
}

/** A browser's has no message, Deno's has one. */
function copyError(event: Event): Event {
  const { message, error } = event as Partial<ErrorEvent>;
  return message === undefined ? new Event("error") : new ErrorEvent("error", { message, error });
}
