import type {
  BufferBudget,
  ClientMessage,
  CloseMessage,
  HandOverMessage,
  JoinMessage,
  LeaveMessage,
} from "../connection/mod.ts";
import { closeReason } from "../connection/close_reason.ts";
import type { Pid, Processes, Self } from "../process/mod.ts";
import type { ErrorCode } from "../protocol/codes.ts";
import { CLIENT_GONE, closeForClient, closeForUpstream, type Closing } from "./close_codes.ts";
import { ConnectionSink } from "./connection_sink.ts";
import { exceedsBytes, type FrameData, type Share } from "./frame_queue.ts";
import { log } from "../telemetry/log.ts";
import { inSpan } from "../telemetry/span.ts";
import { handshakeStatus } from "./handshake_status.ts";
import type { Interceptor, PipeEnds } from "./interceptor.ts";
import { Outlet } from "./outlet.ts";
import { UpstreamCounters } from "./relay_metrics.ts";
import { SocketSink } from "./socket_sink.ts";
import type { Upstream, UpstreamAddress } from "./upstream.ts";

/** The bounds of a pipe. */
export interface PipeLimits {
  /** How long the upstream may take to open, in milliseconds; default 10,000. Then the client is closed with 4504. */
  readonly connectTimeoutMs: number;
  /** Frames that wait for a side that is slow or not open yet; default 10,000. One more closes with 1013. */
  readonly maxQueuedFrames: number;
  /** Bytes that wait in either direction, and the largest frame that is taken of an upstream; default 4 MiB. */
  readonly maxQueuedBytes: number;
  /** How long a side may take to read what the other sent before it closed, in milliseconds; default 10,000. */
  readonly lingerMs: number;
}

/** What a pipe is made of. */
export interface PipeOptions {
  readonly upstream: Pick<Upstream, "name" | "redact">;
  readonly address: UpstreamAddress;
  readonly processes: Processes;
  /** What stands between both sides; default nothing. */
  readonly interceptor?: Interceptor;
  readonly limits?: Partial<PipeLimits>;
  /** What its queues may hold together with all others of the isolate; default: no more than `limits` say of each. */
  readonly buffers?: BufferBudget;
  /** What the pipes to this upstream have done: this one adds to it. */
  readonly counters?: UpstreamCounters;
  /** Hears of an upstream that failed, in a line without secrets; default a line of the log. */
  readonly onFailure?: (line: string) => void;
}

/** The upstream's socket, from the dial to its end, and the way to it. */
interface Dialled {
  readonly socket: WebSocket;
  readonly sink: SocketSink;
  readonly outlet: Outlet;
}

/**
 * The target of one connection that is piped to an upstream: frames pass as they are, text and binary, in order, both
 * ways. The upstream is dialled when the client has joined, and what the client sends meanwhile waits, so that a client pays
 * for one handshake and need not know of the second.
 *
 * Frames for a side that is slow wait in a bounded queue; beyond that both sides are closed (1013). Where one side closes, the
 * other gets what was sent before, then a close that says the same (`closeForClient`, `closeForUpstream`). A client that
 * leaves before the upstream is open takes what it queued with it. Where there is an interceptor, it decides when to dial and
 * what goes on, and the rest holds for what it lets through.
 *
 * Run it with `onExit: () => pipe.dispose()`, so that an end from outside closes the upstream as well.
 */
export class Pipe {
  readonly #options: PipeOptions;
  readonly #limits: PipeLimits;
  readonly #counters: UpstreamCounters;
  #isCounted = false;
  #interceptor: Interceptor | undefined;
  /** Ends the span of the dial, with the error code where it failed. */
  #dialled = Promise.withResolvers<ErrorCode | undefined>();
  #client: Pid = "";
  #hasLeft = false;
  #toClient: Outlet | undefined;
  #upstream: Dialled | undefined;
  /** Ends this process, once the client has left and only the upstream is to hear what was sent before. */
  #exit: (() => void) | undefined;
  #isOpen = false;
  /** Whether one was open, of which the interceptor may go on without the next. */
  #wasOpen = false;
  /** Of the dial first, of a side that is still to read what was sent before the other closed at the end. */
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(options: PipeOptions) {
    this.#options = options;
    this.#interceptor = options.interceptor;
    this.#counters = options.counters ?? new UpstreamCounters();
    this.#limits = {
      connectTimeoutMs: options.limits?.connectTimeoutMs ?? 10_000,
      maxQueuedFrames: options.limits?.maxQueuedFrames ?? 10_000,
      maxQueuedBytes: options.limits?.maxQueuedBytes ?? 4 * 1024 * 1024,
      lingerMs: options.limits?.lingerMs ?? 10_000,
    };
  }

  "ws.join"({ client_pid }: JoinMessage): void {
    this.#client = client_pid;
    const sink = new ConnectionSink(this.#options.processes, client_pid, () => this.#toClient?.resume());
    this.#toClient = new Outlet(sink, this.#limits, this.#share(() => this.#clientIsSlow()));
    this.#counters.opened++;
    this.#counters.open++;
    this.#isCounted = true;
    if (this.#interceptor === undefined) this.#dial();
    else this.#interceptor.joined(this.#ends());
  }

  "ws.message"({ data }: ClientMessage): void {
    this.#counters.framesUp++;
    this.#counters.bytesUp += typeof data === "string" ? data.length : data.byteLength;
    if (this.#interceptor === undefined) this.#sendUp(data);
    else this.#interceptor.fromClient(data);
  }

  "ws.hand_over"({ ready }: HandOverMessage): void {
    const goOnceRead = () => this.#toClient?.end(ready);
    if (this.#interceptor === undefined) goOnceRead();
    else this.#interceptor.drain(goOnceRead);
  }

  "ws.leave"(message: LeaveMessage, self: Self): void {
    this.#leaveInterceptor(message);
    this.#toClient?.clear();
    const upstream = this.#upstream;
    if (upstream === undefined || !this.#isOpen) return self.exit();
    this.#exit = () => self.exit();
    listenOn(upstream.socket, this.#interceptor, () => self.exit());
    this.#after(this.#limits.lingerMs, () => self.exit());
    upstream.outlet.end(() => {
      this.#hangUp(closeForUpstream(message));
      self.exit();
    });
  }

  /** Lets go of the upstream, whatever its state. May be called twice. */
  dispose(): void {
    clearTimeout(this.#timer);
    if (this.#isCounted) this.#counters.open--;
    this.#isCounted = false;
    this.#dialled.resolve(undefined);
    this.#leaveInterceptor({ reason: "exited" });
    this.#toClient?.clear();
    this.#hangUp({ code: CLIENT_GONE, reason: "closed" });
  }

  #ends(): PipeEnds {
    return {
      dial: () => this.#hasLeft || this.#dial(),
      toClient: (data) => this.#sendDown(data),
      toUpstream: (data) => this.#sendUp(data),
      listen: () => this.#listen(),
      lose: (reason) => {
        if (!this.#goesOn(1006, reason)) this.#fail(4504, "upstream_timeout", reason);
      },
      end: (code, reason) => {
        this.#hangUp({ code: CLIENT_GONE, reason });
        this.#closeClientAfterAll({ code, reason });
      },
    };
  }

  #sendUp(data: FrameData): void {
    if (this.#upstream !== undefined && !this.#upstream.outlet.push(data)) this.#upstreamIsSlow();
  }

  #upstreamIsSlow(): void {
    if (this.#exit !== undefined) return this.#exit();
    const cause = this.#isOpen ? "The upstream reads too slowly" : "Too much was sent before the upstream opened";
    this.#giveUp(1013, "overloaded", cause);
  }

  #sendDown(data: FrameData): void {
    if (!this.#toClient?.push(data)) this.#clientIsSlow();
  }

  #clientIsSlow(): void {
    this.#giveUp(1013, "slow_reader", "The client reads too slowly");
  }

  #share(overflows: () => void): Share | undefined {
    const { buffers } = this.#options;
    return buffers && { buffers, overflows };
  }

  /** Looks at the next frame alone: those behind it cost nothing. */
  #listen(): () => boolean {
    const socket = this.#upstream?.socket;
    const receive = socket?.onmessage;
    let hasSpoken = socket === undefined;
    if (socket === undefined || !receive) return () => hasSpoken;
    socket.onmessage = (event) => {
      hasSpoken = true;
      socket.onmessage = receive;
      receive.call(socket, event);
    };
    return () => hasSpoken;
  }

  #leaveInterceptor(message: Pick<LeaveMessage, "reason" | "close">): void {
    if (this.#hasLeft) return;
    this.#hasLeft = true;
    const { reason, close } = message;
    this.#interceptor?.left({ reason, ...close && { close }, isDrained: this.#toClient?.isEmpty ?? true });
  }

  #dial(): void {
    const { address: { url, protocols }, upstream: { name } } = this.#options;
    const { connectTimeoutMs } = this.#limits;
    const startedAt = performance.now();
    this.#dialled = Promise.withResolvers();
    void inSpan("upstream.dial", { upstream: name }, () => this.#dialled.promise, (code) => code);
    let socket: WebSocket;
    try {
      socket = new WebSocket(url, [...protocols]);
    } catch {
      // What it says would quote the address, which holds the secret.
      return this.#fail(4502, "upstream_failed", `"${name}" could not be dialled`);
    }
    const sink = new SocketSink(socket, () => this.#upstream?.outlet.resume());
    this.#upstream = {
      socket,
      sink,
      outlet: new Outlet(sink, this.#limits, this.#share(() => this.#upstreamIsSlow())),
    };
    // The default, `blob`, has to be read asynchronously, which would reorder, and costs twice the CPU.
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      this.#counters.dialLatency.observe((performance.now() - startedAt) / 1_000);
      this.#opened();
    };
    socket.onmessage = ({ data }) => this.#received(data);
    socket.onclose = ({ code, reason }) => this.#closed(code, reason);
    socket.onerror = (event) => this.#failed(event);
    // The runtime has no timeout of its own for a handshake.
    this.#after(connectTimeoutMs, () => {
      const message = `"${name}" did not open in ${connectTimeoutMs} ms`;
      if (!this.#goesOn(1006, message)) this.#fail(4504, "upstream_timeout", message);
    });
  }

  #opened(): void {
    clearTimeout(this.#timer);
    this.#isOpen = true;
    this.#wasOpen = true;
    this.#dialled.resolve(undefined);
    this.#upstream?.outlet.resume();
  }

  #received(data: FrameData): void {
    const { maxQueuedBytes } = this.#limits;
    this.#counters.framesDown++;
    this.#counters.bytesDown += typeof data === "string" ? data.length : data.byteLength;
    if (exceedsBytes(data, maxQueuedBytes)) {
      return this.#giveUp(1009, "too_large", `The upstream sent a frame of more than ${maxQueuedBytes} bytes`);
    }
    if (this.#interceptor === undefined) return this.#sendDown(data);
    try {
      this.#interceptor.fromUpstream(data);
    } catch (cause) {
      this.#broken(cause);
    }
  }

  /** What stands between both sides failed: uncaught, it would take every pipe of the isolate with it. */
  #broken(cause: unknown): void {
    const { upstream: { name, redact }, onFailure = logFailure } = this.#options;
    onFailure(`relay: A frame of "${name}" could not be handled: ${redact(String(cause))}`);
    this.#giveUp(1011, "internal", "The session failed");
  }

  #closed(code: number, reason: string): void {
    const { name, redact } = this.#options.upstream;
    if (this.#goesOn(code, redact(reason))) return;
    this.#hangUp({ reason: "" });
    this.#closeClientAfterAll(closeForClient(name, code, redact(reason)));
  }

  #failed(event: Event): void {
    const { name, redact } = this.#options.upstream;
    const cause = redact((event as ErrorEvent).message ?? "");
    const status = handshakeStatus(cause);
    const message = status === undefined
      ? `"${name}" ${this.#isOpen ? "broke off" : "did not take"} the connection`
      : `"${name}" refused the connection with status ${status}`;
    if (this.#goesOn(1006, message)) return;
    this.#fail(4502, "upstream_failed", message, status === undefined ? cause : "");
  }

  /** Whether the interceptor goes on without an upstream that was open and is gone, or cannot be had again. */
  #goesOn(code: number, reason: string): boolean {
    if (!this.#wasOpen || this.#interceptor === undefined) return false;
    if (!this.#isOpen) this.#dialled.resolve("upstream_failed");
    this.#hangUp({ reason: "" }, { isLost: true });
    return this.#interceptor.upstreamLost(code, reason);
  }

  /** Ends both sides for a fault of the upstream, which its operator should hear of. */
  #fail(code: number, error: ErrorCode, message: string, cause = ""): void {
    const { onFailure = logFailure } = this.#options;
    this.#counters.failed(error);
    this.#dialled.resolve(error);
    onFailure(cause === "" ? `relay: ${message}` : `relay: ${message}: ${cause}`);
    this.#hangUp({ code: CLIENT_GONE, reason: error });
    this.#closeClientAfterAll({ code, reason: `${error}: ${message}` });
  }

  /** Ends both sides at once; what waits is dropped. */
  #giveUp(code: number, error: ErrorCode, message: string): void {
    this.#counters.failed(error);
    this.#dialled.resolve(error);
    this.#hangUp({ code: CLIENT_GONE, reason: error });
    this.#closeClient({ code, reason: `${error}: ${message}` });
  }

  #closeClientAfterAll(closing: CloseMessage): void {
    this.#after(this.#limits.lingerMs, () => this.#clientIsSlow());
    this.#toClient?.end(() => this.#closeClient(closing));
  }

  /** The connection ends by this, and then this process by the `ws.leave` that it hears of it. */
  #closeClient(closing: CloseMessage): void {
    this.#options.processes.send(this.#client, "ws.close", closing);
  }

  #hangUp(closing: Closing, { isLost = false } = {}): void {
    clearTimeout(this.#timer);
    if (this.#upstream === undefined) return;
    const { socket, sink, outlet } = this.#upstream;
    this.#upstream = undefined;
    this.#isOpen = false;
    sink.dispose();
    outlet.clear();
    // Deno 2.1.4 does not give up a handshake that it has begun, but closes the socket should it succeed after all.
    socket.onopen =
      socket.onmessage =
      socket.onclose =
      socket.onerror =
        null;
    const isHeard = !isLost && socket.readyState === WebSocket.OPEN;
    const heard = isHeard ? this.#interceptor?.parting?.((data) => socket.send(data)) : undefined;
    if (heard === undefined) return closeSocket(socket, closing);
    listenOn(socket, this.#interceptor);
    void heard.finally(() => closeSocket(socket, closing));
  }

  #after(delayMs: number, action: () => void): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(action, delayMs);
  }
}

/** What the upstream of a pipe that ends has still to say goes to nobody but the interceptor. */
function listenOn(socket: WebSocket, interceptor: Interceptor | undefined, closed = () => {}): void {
  const lost = (code: number, reason: string) => {
    interceptor?.upstreamLost(code, reason);
    closed();
  };
  socket.onmessage = ({ data }) => interceptor?.fromUpstream(data);
  socket.onclose = ({ code, reason }) => lost(code, reason);
  socket.onerror = () => lost(1006, "");
}

function closeSocket(socket: WebSocket, { code, reason }: Closing): void {
  if (code === undefined) socket.close();
  else socket.close(code, closeReason(reason));
}

function logFailure(line: string): void {
  log.error("upstream.failed", { message: line });
}
