import { backoffDelayMs } from "../../../../shared/client/mod.ts";
import { CLOSE_CODES, type CloseCodeEntry, retryAfter } from "../../../../shared/protocol/codes.ts";
import type { ErrorFrame } from "../../../../shared/protocol/connection_frames.ts";
import type { SocketAddress } from "./function_address.ts";

/** Where a live socket is: `moving` has one socket and opens the next, `waiting` has none and will open one. */
export type SocketState = "connecting" | "open" | "moving" | "waiting" | "stopped";

/** Why a socket closed, or never opened. */
export interface SocketFailure {
  /** The close code, where there was a close. */
  readonly closeCode?: number;
  /** The error code of the `error` frame before it, or the close code's name. */
  readonly code: string;
  readonly message: string;
}

/** What there is to say about a live socket. Times are those of `Date.now()`. */
export interface SocketStatus {
  readonly state: SocketState;
  /** The isolate at the other end, where it says so. */
  readonly isolate?: string;
  readonly isolateBornAt?: number;
  readonly openedAt?: number;
  /** When the isolate begins to hand its connections over. */
  readonly endsAt?: number;
  readonly retryAt?: number;
  readonly failure?: SocketFailure;
}

/** The frame with which a function says that it is ready, as far as it is read here. */
export interface Greeting {
  readonly type: string;
  readonly lifetime_ms?: number;
  readonly isolate?: string;
  readonly age_ms?: number;
}

/** What a live socket is told at its start. */
export interface LiveSocketOptions {
  /** Where to connect, asked before each socket. `renewToken`: the last token was refused. */
  address(renewToken: boolean): Promise<SocketAddress>;
  /** The type of the frame that says that the socket is ready. */
  readonly greeting: string;
  /** A socket is ready; from here on frames go to this one. */
  onReady?(greeting: Greeting): void;
  /** A frame came, of the current socket or of the one before it; `json` is what a text frame says. */
  onFrame(data: string | ArrayBuffer, json: unknown): void;
  onStatus(status: SocketStatus): void;
  /** Sees all that goes over the wire. */
  onTraffic?(direction: "in" | "out", data: string | ArrayBuffer): void;
}

/** One socket, from its address to its close frame. */
interface Leg {
  readonly socket: WebSocket;
  readyAt?: number;
  greeting?: Greeting;
  /** The last `error` frame: it says why a close follows. */
  error?: ErrorFrame;
}

const READY_TIMEOUT_MS = 10_000;
const LONGEST_DELAY_MS = 10_000;
/** A socket that lived for so long did work: the next loss of one begins with short waits again. */
const STABLE_MS = 2_000;

/**
 * A WebSocket that stays: on `reconnect` it opens the next socket before it leaves the old one, and after a loss it
 * comes back, as the table of close codes says. What was under way in a socket that broke is the caller's to repeat.
 */
export class LiveSocket {
  readonly #options: LiveSocketOptions;
  readonly #retryNow = () => this.retryNow();
  #current: Leg | undefined;
  #next: Leg | undefined;
  #dialling = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #retryAt: number | undefined;
  #attempt = 0;
  #renewToken = false;
  #renewed = false;
  #failure: SocketFailure | undefined;
  #closed = false;

  constructor(options: LiveSocketOptions) {
    this.#options = options;
    addEventListener("online", this.#retryNow);
    void this.#dial();
  }

  /** Sends a frame, or gives false where no socket is ready. */
  send(data: string | ArrayBuffer): boolean {
    if (this.#current?.socket.readyState !== WebSocket.OPEN) return false;
    this.#current.socket.send(data);
    this.#options.onTraffic?.("out", data);
    return true;
  }

  /** Connects at once, if it is not connected. */
  retryNow(): void {
    if (this.#current === undefined && !this.#closed) void this.#dial();
  }

  /** Ends it for good. */
  close(): void {
    this.#closed = true;
    removeEventListener("online", this.#retryNow);
    clearTimeout(this.#timer);
    this.#current?.socket.close(1000, "done");
    this.#next?.socket.close(1000, "done");
  }

  async #dial(): Promise<void> {
    if (this.#dialling || this.#next !== undefined) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#retryAt = undefined;
    this.#dialling = true;
    this.#tell();
    let address: SocketAddress | undefined;
    try {
      address = await this.#options.address(this.#renewToken);
    } catch (error) {
      this.#failure = { code: "no_token", message: error instanceof Error ? error.message : String(error) };
    }
    this.#dialling = false;
    if (this.#closed) return;
    if (address === undefined) return this.#dialLater();
    this.#renewToken = false;
    this.#open(address);
  }

  #open({ url, protocols }: SocketAddress): void {
    const leg: Leg = { socket: new WebSocket(url, [...protocols]) };
    this.#next = leg;
    const { socket } = leg;
    socket.binaryType = "arraybuffer";
    const patience = setTimeout(() => socket.close(), READY_TIMEOUT_MS);
    socket.onmessage = ({ data }) => {
      this.#received(leg, data);
      if (leg.readyAt !== undefined) clearTimeout(patience);
    };
    socket.onclose = ({ code, reason }) => {
      clearTimeout(patience);
      this.#lost(leg, code, reason);
    };
  }

  #ready(leg: Leg, greeting: Greeting): void {
    const previous = this.#current;
    leg.greeting = greeting;
    leg.readyAt = Date.now();
    this.#current = leg;
    this.#next = undefined;
    this.#failure = undefined;
    this.#renewed = false;
    previous?.socket.close(1000, "handed over");
    this.#tell();
    this.#options.onReady?.(greeting);
  }

  #received(leg: Leg, data: string | ArrayBuffer): void {
    if (this.#closed) return;
    this.#options.onTraffic?.("in", data);
    const json = typeof data === "string" ? parseJson(data) : undefined;
    this.#control(leg, json);
    this.#options.onFrame(data, json);
  }

  #control(leg: Leg, frame: unknown): void {
    if (leg.readyAt === undefined && isFrame(frame, this.#options.greeting)) {
      this.#ready(leg, frame);
    } else if (isError(frame)) {
      leg.error = frame;
    } else if (leg === this.#current && isFrame(frame, "reconnect")) {
      this.#dialAfter(Number(frame.after_ms) || 0);
    } else if (leg === this.#current && isFrame(frame, "token_expiring")) {
      void this.#dial();
    }
  }

  #lost(leg: Leg, closeCode: number, reason: string): void {
    if (this.#closed || (leg !== this.#current && leg !== this.#next)) return;
    if (leg === this.#next) this.#next = undefined;
    if (leg === this.#current) this.#current = undefined;
    if (leg.readyAt !== undefined && Date.now() - leg.readyAt >= STABLE_MS) this.#attempt = 0;
    // The next socket is on its way already: what became of the old one matters no more.
    if (this.#next !== undefined || this.#dialling) return this.#tell();
    this.#failure = describe(leg, closeCode, reason);
    const retry = retryAfter(closeCode);
    if (retry === "stop" || (retry === "retry_with_new_token" && this.#renewed)) return this.#stop();
    if (retry === "retry") return this.#dialLater(leg.error?.retry_after_ms);
    this.#renewToken = true;
    this.#renewed = true;
    void this.#dial();
  }

  #stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#retryAt = undefined;
    this.#tell();
  }

  #dialLater(leastMs = 0): void {
    this.#dialAfter(Math.max(leastMs, backoffDelayMs(this.#attempt++, Math.random(), { maxMs: LONGEST_DELAY_MS })));
  }

  #dialAfter(delayMs: number): void {
    clearTimeout(this.#timer);
    this.#retryAt = Date.now() + delayMs;
    this.#timer = setTimeout(() => void this.#dial(), delayMs);
    this.#tell();
  }

  #tell(): void {
    if (this.#closed) return;
    const { greeting, readyAt } = this.#current ?? {};
    this.#options.onStatus({
      state: this.#state(),
      isolate: greeting?.isolate,
      isolateBornAt: readyAt && greeting?.age_ms !== undefined ? readyAt - greeting.age_ms : undefined,
      openedAt: readyAt,
      endsAt: readyAt && greeting?.lifetime_ms !== undefined ? readyAt + greeting.lifetime_ms : undefined,
      retryAt: this.#current ? undefined : this.#retryAt,
      failure: this.#failure,
    });
  }

  #state(): SocketState {
    const isDialling = this.#dialling || this.#next !== undefined;
    if (this.#current !== undefined) return isDialling || this.#timer !== undefined ? "moving" : "open";
    if (isDialling) return "connecting";
    return this.#timer !== undefined ? "waiting" : "stopped";
  }
}

function describe({ error }: Leg, closeCode: number, reason: string): SocketFailure {
  const entry = (CLOSE_CODES as Record<number, CloseCodeEntry>)[closeCode];
  return {
    closeCode,
    code: error?.code ?? entry?.name ?? "closed",
    message: error?.message ?? (reason || entry?.meaning || "The server closed the connection."),
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // A frame of another kind, such as what echo sends back.
  }
}

function isFrame(frame: unknown, type: string): frame is { type: string } & Record<string, unknown> {
  return typeof frame === "object" && frame !== null && "type" in frame && frame.type === type;
}

function isError(frame: unknown): frame is ErrorFrame & Record<string, unknown> {
  return isFrame(frame, "error") && typeof frame.code === "string" && typeof frame.message === "string";
}
