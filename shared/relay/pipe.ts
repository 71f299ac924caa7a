import type { ClientMessage, CloseMessage, JoinMessage, LeaveMessage, SendMessage } from "../connection/mod.ts";
import { closeReason } from "../connection/close_reason.ts";
import type { Pid, Processes, Self } from "../process/mod.ts";
import type { ErrorCode } from "../protocol/codes.ts";
import { CLIENT_GONE, closeForClient, closeForUpstream, type Closing } from "./close_codes.ts";
import { exceedsBytes, type FrameData, FrameQueue } from "./frame_queue.ts";
import { handshakeStatus } from "./handshake_status.ts";
import type { Upstream, UpstreamAddress } from "./upstream.ts";

/** The bounds of a pipe. */
export interface PipeLimits {
  /** How long the upstream may take to open, in milliseconds; default 10,000. Then the client is closed with 4504. */
  readonly connectTimeoutMs: number;
  /** Frames of the client that wait until the upstream opens; default 1,000. One more closes it with 1013. */
  readonly maxQueuedFrames: number;
  /**
   * Bytes of the client that wait until the upstream opens, and for an upstream that reads slowly then; also the largest
   * frame that is taken from the upstream. Default 4 MiB. What waits for the client is bounded by its connection.
   */
  readonly maxBufferedBytes: number;
}

/** What a pipe is made of. */
export interface PipeOptions {
  readonly upstream: Pick<Upstream, "name" | "redact">;
  readonly address: UpstreamAddress;
  readonly processes: Processes;
  readonly limits?: Partial<PipeLimits>;
  /** Hears of an upstream that failed, in a line without secrets; default `console.error`. */
  readonly onFailure?: (line: string) => void;
}

/**
 * The target of one connection that is piped to an upstream: frames pass as they are, text and binary, in order, both
 * ways. The upstream is dialled when the client has joined, and what the client sends meanwhile waits in a bounded queue, so
 * that it pays for one handshake at a time and need not know of the second. Whichever side ends, fails or does not
 * drain, the other is closed at once with a code that says so; a client that leaves before the upstream is open takes what
 * it queued with it.
 *
 * Run it with `onExit: () => pipe.close()`, so that an end from outside closes the upstream as well.
 */
export class Pipe {
  readonly #options: PipeOptions;
  readonly #limits: PipeLimits;
  readonly #queue: FrameQueue;
  #client: Pid = "";
  #socket: WebSocket | undefined;
  #connectTimer: ReturnType<typeof setTimeout> | undefined;
  #isOpen = false;

  constructor(options: PipeOptions) {
    this.#options = options;
    this.#limits = {
      connectTimeoutMs: options.limits?.connectTimeoutMs ?? 10_000,
      maxQueuedFrames: options.limits?.maxQueuedFrames ?? 1_000,
      maxBufferedBytes: options.limits?.maxBufferedBytes ?? 4 * 1024 * 1024,
    };
    this.#queue = new FrameQueue(this.#limits.maxQueuedFrames, this.#limits.maxBufferedBytes);
  }

  "ws.join"({ client_pid }: JoinMessage): void {
    this.#client = client_pid;
    this.#dial();
  }

  "ws.message"({ data }: ClientMessage): void {
    const socket = this.#socket;
    if (socket === undefined) return;
    if (!this.#isOpen) {
      if (!this.#queue.put(data)) this.#giveUp(1013, "overloaded", "Too much was sent before the upstream opened");
      return;
    }
    // The runtime queues without limit: an upstream that stops reading would grow the memory by all that is sent to it.
    if (socket.bufferedAmount > this.#limits.maxBufferedBytes) {
      return this.#giveUp(1013, "overloaded", "The upstream reads more slowly than the client sends");
    }
    socket.send(data);
  }

  "ws.leave"(message: LeaveMessage, self: Self): void {
    this.close(closeForUpstream(message));
    self.exit();
  }

  /** Lets go of the upstream, whatever its state. May be called twice. */
  close(closing: Closing = { code: CLIENT_GONE, reason: "closed" }): void {
    clearTimeout(this.#connectTimer);
    this.#queue.takeAll();
    const socket = this.#socket;
    if (socket === undefined) return;
    this.#socket = undefined;
    socket.onmessage = socket.onclose = socket.onerror = null;
    // Deno 2.1.4 does not give up a handshake that it has begun: should it succeed after all, nobody waits for it.
    socket.onopen = () => closeSocket(socket, closing);
    closeSocket(socket, closing);
  }

  #dial(): void {
    const { address: { url, protocols }, upstream } = this.#options;
    let socket: WebSocket;
    try {
      socket = new WebSocket(url, [...protocols]);
    } catch {
      // What it says would quote the address, which holds the secret.
      return this.#fail(4502, "upstream_failed", `"${upstream.name}" could not be dialled`);
    }
    this.#socket = socket;
    // The default, `blob`, has to be read asynchronously, which would reorder, and costs twice the CPU.
    socket.binaryType = "arraybuffer";
    socket.onopen = () => this.#opened(socket);
    socket.onmessage = ({ data }) => this.#received(data);
    socket.onclose = ({ code, reason }) => this.#closed(code, reason);
    socket.onerror = (event) => this.#failed(event);
    // The runtime has no timeout of its own for a handshake.
    this.#connectTimer = setTimeout(() => {
      this.#fail(4504, "upstream_timeout", `"${upstream.name}" did not open in ${this.#limits.connectTimeoutMs} ms`);
    }, this.#limits.connectTimeoutMs);
  }

  #opened(socket: WebSocket): void {
    clearTimeout(this.#connectTimer);
    this.#isOpen = true;
    for (const data of this.#queue.takeAll()) socket.send(data);
  }

  #received(data: FrameData): void {
    const { maxBufferedBytes } = this.#limits;
    if (exceedsBytes(data, maxBufferedBytes)) {
      return this.#giveUp(1009, "too_large", `The upstream sent a frame of more than ${maxBufferedBytes} bytes`);
    }
    const frame: SendMessage = { type: typeof data === "string" ? "text" : "binary", data };
    this.#options.processes.send(this.#client, "ws.send", frame);
  }

  #closed(code: number, reason: string): void {
    const { name, redact } = this.#options.upstream;
    this.close();
    this.#closeClient(closeForClient(name, code, redact(reason)));
  }

  #failed(event: Event): void {
    const { name, redact } = this.#options.upstream;
    const cause = redact((event as ErrorEvent).message ?? "");
    const status = handshakeStatus(cause);
    if (status !== undefined) {
      return this.#fail(4502, "upstream_failed", `"${name}" refused the connection with status ${status}`);
    }
    const message = `"${name}" ${this.#isOpen ? "broke off" : "did not take"} the connection`;
    this.#fail(4502, "upstream_failed", message, cause);
  }

  /** Ends both sides for a fault of the upstream, which its operator should hear of. */
  #fail(code: number, error: ErrorCode, message: string, cause = ""): void {
    const { onFailure = logFailure } = this.#options;
    onFailure(cause === "" ? `relay: ${message}` : `relay: ${message}: ${cause}`);
    this.#giveUp(code, error, message);
  }

  #giveUp(code: number, error: ErrorCode, message: string): void {
    this.close({ code: CLIENT_GONE, reason: error });
    this.#closeClient({ code, reason: `${error}: ${message}` });
  }

  /** The connection ends by this, and then this process by the `ws.leave` that it hears of it. */
  #closeClient(closing: CloseMessage): void {
    this.#options.processes.send(this.#client, "ws.close", closing);
  }
}

function closeSocket(socket: WebSocket, { code, reason }: Closing): void {
  if (code === undefined) socket.close();
  else socket.close(code, closeReason(reason));
}

function logFailure(line: string): void {
  // deno-lint-ignore no-console
  console.error(line);
}
