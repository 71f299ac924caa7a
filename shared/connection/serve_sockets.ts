import { checkOrigin } from "../auth/check_origin.ts";
import { checkSecretKey } from "../auth/check_secret_key.ts";
import { selectProtocol } from "../auth/select_protocol.ts";
import { Isolate } from "../isolate/isolate.ts";
import { type Processes, processes as defaultProcesses } from "../process/mod.ts";
import type { Failure } from "../protocol/codes.ts";
import type { ConnectionLimits, ErrorFrame } from "../protocol/connection_frames.ts";
import { type Log, log as isolateLog } from "../telemetry/log.ts";
import { counter, gauge, type MetricFamily } from "../telemetry/metrics.ts";
import { requestId } from "../telemetry/request_id.ts";
import { inSpan } from "../telemetry/span.ts";
import { OPEN_METRICS_TYPE, writeOpenMetrics } from "../telemetry/write_open_metrics.ts";
import { BufferBudget } from "./buffer_budget.ts";
import { closeSocket } from "./close_socket.ts";
import { connectUrl } from "./connect_url.ts";
import { Connection, type ConnectionContext, type LeaveMessage } from "./connection.ts";
import { Counters } from "./counters.ts";
import { corsHeaders, preflight } from "./cors.ts";
import { normalizeOffer } from "./normalize_offer.ts";
import { onceGone } from "./once_gone.ts";
import { Places } from "./places.ts";
import { type Refusal, refusalOf, refuse } from "./refuse.ts";
import { CONTROL_FRAMES_HEADER, parseRelay, type Relay, RELAY_HEADER } from "./relay_to.ts";
import {
  connectionLimits,
  type ResolvedSocketOptions,
  resolveSocketOptions,
  type SocketOptions,
} from "./socket_options.ts";
import { Timers } from "./timers.ts";

const NOT_STORED = { "Cache-Control": "no-store" };

const DRAINING: Failure = { code: "isolate_draining", message: "This isolate is about to end: connect again" };

/** What a handler may want to tell the client about where it landed. */
export interface SocketContext {
  /** Where it landed. */
  readonly isolate: Isolate;
  /** What is held here for those who do not read: of the queues that a handler makes, too. */
  readonly buffers: BufferBudget;
  /** What a connection may send. */
  readonly limits: ConnectionLimits;
  /**
   * The refusal of a user who has all the connections that he may have here; `undefined` where he may have another. For a
   * handler that is to do much before it knows where a connection goes: who is refused then costs no more than that.
   */
  refusalFor(userId: string): Response | undefined;
}

/** Answers a request for a socket: `relayTo` a process, or `refuse`. */
export type SocketHandler = (request: Request, context: SocketContext) => Response | Promise<Response>;

/** What `serveSockets` can be told beside the limits of a connection. */
export interface ServeOptions extends SocketOptions {
  /** This isolate's life; default: one with the platform's free wall clock. */
  isolate?: Isolate;
  /** Where connections live as processes; default: this isolate's own table. */
  processes?: Processes;
  /** Answers plain requests that are not the server's own; `undefined` leaves one to the default answer. */
  http?: (request: Request) => Promise<Response | undefined> | Response | undefined;
  /**
   * The frame that a caller who is refused gets before the close, made of the `error` frame; default: that. A client of
   * another protocol may want another, or, given `undefined`, none: close code and reason say the same.
   */
  refusalFrame?: (request: Request, frame: ErrorFrame) => object | undefined;
  /** More members for `/health`. */
  health?: () => Record<string, unknown>;
  /** More metrics for `/metrics`. */
  metrics?: () => readonly MetricFamily[];
  /** Whoever has one of these may read `/metrics`. Without one nobody may. */
  secretKeys?: readonly string[];
  /** Where the project is reached: what tells a caller how to connect names it where the gateway hides the host. */
  projectUrl?: URL;
  /** Where lines go; default the isolate's own log. */
  log?: Log;
  /** Hears of what a handler threw; default: one line of the log. */
  onError?: (error: unknown) => void;
}

/**
 * Serves WebSockets for handlers that speak plain HTTP. A handler's answer with the header `X-WS-Relay` (`relayTo`)
 * upgrades the request and binds the socket to a process; an answer with a status of 400 or more (`refuse`) reaches the
 * client as an `error` frame and a close code, since a browser never sees the status of a failed upgrade; any other
 * answer goes out as it is.
 *
 * Beside that: other origins, connections over the limits and an isolate that drains are refused before the handler
 * runs; a plain GET is told how to connect (426); `GET …/health` and, with a secret key, `GET …/metrics` (OpenMetrics)
 * answer; CORS preflights are answered. Nothing that a client or a handler does throws out of the function given back.
 * @throws {RangeError} at once, for an option that is not valid.
 */
export function serveSockets(
  handler: SocketHandler,
  options: ServeOptions = {},
): (request: Request) => Promise<Response> {
  const server = new SocketServer(handler, options);
  return (request) => server.respond(request);
}

/**
 * Refused clients that are given a socket to be told why, at a time; those beyond them get the answer by HTTP, which a page
 * cannot read. Who is refused may keep his connection for as long as he likes, and needs no account for it.
 */
const MAX_REFUSED_SOCKETS = 500;

class SocketServer {
  readonly #handler: SocketHandler;
  readonly #serve: ServeOptions;
  readonly #options: ResolvedSocketOptions;
  readonly #context: ConnectionContext;
  readonly #socketContext: SocketContext;
  readonly #log: Log;
  readonly #connections = new Set<Connection>();
  /** Requests whose handler is still at work: they will be connections, so they count as such. */
  #handshakes = 0;
  /** Sockets of refused clients that the runtime still holds. */
  #refused = 0;

  constructor(handler: SocketHandler, serve: ServeOptions) {
    this.#handler = handler;
    this.#serve = serve;
    this.#log = serve.log ?? isolateLog;
    this.#options = resolveSocketOptions(serve);
    const processes = serve.processes ?? defaultProcesses;
    const isolate = serve.isolate ?? new Isolate({ id: processes.isolateId });
    const timers = new Timers();
    this.#context = {
      options: this.#options,
      processes,
      isolate,
      counters: new Counters(),
      buffers: new BufferBudget(this.#options.maxBufferedBytesTotal, () => this.#connections, timers),
      places: new Places(this.#options),
      timers,
      ended: (connection, reason) => this.#forget(connection, reason),
    };
    this.#socketContext = {
      isolate,
      buffers: this.#context.buffers,
      limits: connectionLimits(this.#options),
      refusalFor: (userId) => this.#refusalFor(userId),
    };
    isolate.onDrain(({ reason, windowMs, graceMs }) => {
      this.#log.info("isolate.draining", { reason, age_ms: isolate.ageMs, connections: this.#connections.size });
      for (const { pid } of this.#connections) {
        processes.send(pid, "ws.drain", { reason, afterMs: Math.round(Math.random() * windowMs), graceMs });
      }
    });
  }

  async respond(request: Request): Promise<Response> {
    try {
      // The runtime hands on a target such as `http://%%%/`, which nothing behind here could read.
      if (!URL.canParse(request.url)) return refuse({ code: "bad_request", message: "The address is not a URL" });
      if (request.headers.get("upgrade")?.toLowerCase() !== "websocket") return await this.#answer(request);
      return await inSpan("upgrade", { request_id: requestId(request) }, () => this.#upgrade(request));
    } catch (error) {
      return this.#fail(error, request);
    }
  }

  async #upgrade(request: Request): Promise<Response> {
    normalizeOffer(request);
    const flaw = handshakeFlaw(request);
    if (flaw !== undefined) {
      return refuse({ code: "bad_request", message: flaw }, {}, { "Sec-WebSocket-Version": "13" });
    }
    const failure = this.#failureBeforeHandler(request);
    if (failure !== undefined) return this.#refuseSocket(request, refuse(failure));
    const { response, relay } = await this.#ask(request);
    if (relay !== undefined) return this.#connect(request, response, relay);
    return response.status >= 400 ? this.#refuseSocket(request, response) : response;
  }

  /** What the handler answers; where it fails, or answers nonsense, a refusal. */
  async #ask(request: Request): Promise<{ response: Response; relay?: Relay }> {
    this.#handshakes++;
    try {
      const response = await this.#handler(request, this.#socketContext);
      const header = response.headers.get(RELAY_HEADER);
      return header === null ? { response } : { response, relay: parseRelay(header) };
    } catch (error) {
      return { response: this.#fail(error, request) };
    } finally {
      this.#handshakes--;
    }
  }

  #fail(error: unknown, request: Request): Response {
    this.#report(error, request);
    return refuse({ code: "internal", message: "The request could not be handled" });
  }

  #failureBeforeHandler(request: Request): Failure | undefined {
    if (!checkOrigin(request, this.#options.allowedOrigins)) {
      return { code: "origin_forbidden", message: "Pages of this origin may not connect: see ALLOWED_ORIGINS" };
    }
    if (this.#context.isolate.state !== "serving") return DRAINING;
    const { buffers, places } = this.#context;
    if (places.isFull(this.#handshakes) || buffers.isFull) {
      return { code: "overloaded", message: "This isolate has all the connections it takes: connect again" };
    }
  }

  #connect(request: Request, response: Response, relay: Relay): Response | Promise<Response> {
    if (this.#context.isolate.state !== "serving") {
      // It began to drain while the handler was at work: its connections have been told already.
      this.#releaseTarget(relay, DRAINING.code);
      return this.#refuseSocket(request, refuse(DRAINING));
    }
    const { user_id: userId } = relay.metadata;
    const refusal = typeof userId === "string" ? this.#refusalFor(userId) : undefined;
    if (refusal !== undefined) {
      this.#releaseTarget(relay, "too_many_connections");
      return this.#refuseSocket(request, refusal);
    }
    const offered = request.headers.get("sec-websocket-protocol");
    const wanted = response.headers.get("sec-websocket-protocol");
    const isOffered = wanted !== null && offered?.split(", ").includes(wanted);
    const controlFrames = response.headers.get(CONTROL_FRAMES_HEADER) !== "off";
    const upgraded = this.#upgradeSocket(request, isOffered ? wanted : selectProtocol(offered));
    if (upgraded === undefined) {
      this.#releaseTarget(relay, "never_opened");
      return refuse({ code: "bad_request", message: "The WebSocket handshake is not valid" });
    }
    const connection = new Connection(this.#context, upgraded.socket, relay, { controlFrames });
    this.#connections.add(connection);
    this.#context.counters.connections_opened++;
    this.#log.debug("connection.opened", { request_id: requestId(request), pid: connection.pid, user_id: userId });
    return upgraded.response;
  }

  #refusalFor(userId: string): Response | undefined {
    if (!this.#context.places.isFullFor(userId)) return undefined;
    const message = `A user may have ${this.#options.maxConnectionsPerUser} connections here`;
    return refuse({ code: "too_many_connections", message });
  }

  /**
   * A target hears `ws.leave` of every connection that was meant for it, also where it came to nothing: then with the
   * local part 0, which no process has.
   */
  #releaseTarget({ target_pid, metadata }: Relay, reason: string): void {
    const { processes } = this.#context;
    const message: LeaveMessage = { client_pid: `${processes.isolateId}.0`, reason, metadata };
    processes.notify(target_pid, "ws.leave", message);
  }

  #upgradeSocket(request: Request, protocol: string | undefined): Deno.WebSocketUpgrade | undefined {
    try {
      return Deno.upgradeWebSocket(request, { protocol, idleTimeout: this.#options.idleTimeoutMs / 1000 });
    } catch (error) {
      // The runtime's own checks of the handshake; after them nothing may throw (it could take the server down).
      this.#report(error, request);
      return undefined;
    }
  }

  async #refuseSocket(request: Request, response: Response): Promise<Response> {
    const refusal = await refusalOf(response.clone());
    const { code, message, closeCode } = refusal;
    this.#context.counters.refused(code);
    this.#log.info("connection.refused", { request_id: requestId(request), code, message, close_code: closeCode });
    if (this.#refused >= MAX_REFUSED_SOCKETS) return response;
    const error: ErrorFrame = { type: "error", code, message };
    const frame = this.#serve.refusalFrame === undefined ? error : this.#serve.refusalFrame(request, error);
    const protocol = selectProtocol(request.headers.get("sec-websocket-protocol"));
    const upgraded = this.#upgradeSocket(request, protocol);
    if (upgraded === undefined) return response;
    this.#refused++;
    this.#context.counters.closed(closeCode);
    sendRefusal(upgraded.socket, refusal, frame, this.#context.isolate, () => this.#refused--);
    return upgraded.response;
  }

  async #answer(request: Request): Promise<Response> {
    const cors = corsHeaders(request, this.#options.allowedOrigins);
    if (request.method === "OPTIONS") return preflight(cors);
    const response = await this.#plainAnswer(request).catch((error) => this.#fail(error, request));
    for (const [name, value] of cors) response.headers.set(name, value);
    return response;
  }

  async #plainAnswer(request: Request): Promise<Response> {
    const reads = request.method === "GET" || request.method === "HEAD";
    const { pathname } = new URL(request.url);
    if (reads && pathname.endsWith("/health")) return Response.json(this.#health(), { headers: NOT_STORED });
    if (reads && pathname.endsWith("/metrics")) return this.#metrics(request);
    const answer = await this.#serve.http?.(request);
    if (answer !== undefined) return withoutOwnHeaders(answer);
    if (!reads) {
      const message = `Nothing here takes ${request.method}: connect with a WebSocket`;
      return refuse({ code: "method_not_allowed", message }, {}, { Allow: "GET, HEAD, OPTIONS" });
    }
    const connect = connectUrl(request, this.#serve.projectUrl);
    const message = `This address speaks WebSocket: connect with new WebSocket("${connect}")`;
    return refuse({ code: "upgrade_required", message }, { connect }, { Upgrade: "websocket", Connection: "Upgrade" });
  }

  #health(): Record<string, unknown> {
    const { isolate, counters, processes, buffers } = this.#context;
    return {
      status: "ok",
      isolate: isolate.id,
      region: isolate.region,
      state: isolate.state,
      age_ms: isolate.ageMs,
      lifetime_ms: isolate.lifetimeMs,
      connections: this.#connections.size,
      processes: processes.count,
      buffered_bytes: buffers.bytes,
      queued_bytes: buffers.queuedBytes,
      closing_bytes: buffers.closingBytes,
      rooms: 0,
      ...this.#serve.health?.(),
      counters,
    };
  }

  #metrics(request: Request): Response {
    const failure = checkSecretKey(request, this.#serve.secretKeys ?? []);
    if (failure !== undefined) return refuse(failure);
    const { isolate, counters, processes, buffers } = this.#context;
    const lines = Object.entries(this.#log.written).map(([level, count]) => [{ level }, count] as const);
    const text = writeOpenMetrics([
      gauge("edge_sockets_isolate_age_seconds", "How long this isolate has lived.", isolate.ageMs / 1_000),
      gauge(
        "edge_sockets_isolate_draining",
        "1 while it hands its connections over.",
        Number(isolate.state !== "serving"),
      ),
      gauge("edge_sockets_connections", "Sockets that are bound to a process.", this.#connections.size),
      gauge("edge_sockets_processes", "Processes that run, those of connections too.", processes.count),
      gauge("edge_sockets_buffered_bytes", "What clients have been sent and not read yet.", buffers.bytes),
      gauge("edge_sockets_queued_bytes", "What waits here for a side of a pipe, or for a stage.", buffers.queuedBytes),
      gauge(
        "edge_sockets_closing_bytes",
        "What is held for sockets that were closed before their clients had read it.",
        buffers.closingBytes,
      ),
      ...counters.metrics(),
      counter("edge_sockets_log_lines", "Lines that were logged, by level.", lines),
      counter("edge_sockets_log_lines_dropped", "Lines that were too many to be logged.", this.#log.dropped),
      ...this.#serve.metrics?.() ?? [],
    ], { isolate: isolate.id });
    return new Response(text, { headers: { ...NOT_STORED, "Content-Type": OPEN_METRICS_TYPE } });
  }

  #forget(connection: Connection, reason: string): void {
    if (!this.#connections.delete(connection)) return;
    this.#log.debug("connection.closed", { pid: connection.pid, reason });
    if (this.#connections.size === 0 && this.#context.isolate.state !== "serving") this.#sumUp();
  }

  /** Logs what this isolate did: who asks for `/metrics` is sent to a younger one by now. */
  #sumUp(): void {
    try {
      this.#log.info("isolate.gone", this.#health());
    } catch (error) {
      this.#log.error("health.failed", { error });
    }
  }

  #report(error: unknown, request: Request): void {
    try {
      if (this.#serve.onError !== undefined) return this.#serve.onError(error);
    } catch (failure) {
      error = failure;
    }
    this.#log.error("request.failed", { request_id: requestId(request), error });
  }
}

/** A copy, as the headers of an answer that came by fetch() cannot be set; without what must not leave the server. */
function withoutOwnHeaders(answer: Response): Response {
  const response = new Response(answer.body, answer);
  response.headers.delete(RELAY_HEADER);
  response.headers.delete(CONTROL_FRAMES_HEADER);
  return response;
}

/** Why a request cannot be upgraded at all (RFC 6455 section 4.2.1), so that its answer has to be plain HTTP. */
function handshakeFlaw({ method, headers }: Request): string | undefined {
  if (method !== "GET") return "A WebSocket handshake is a GET request";
  if (!/(?:^|,)\s*upgrade\s*(?:,|$)/i.test(headers.get("connection") ?? "")) {
    return "The handshake lacks Connection: Upgrade";
  }
  if (!headers.get("sec-websocket-key")) return "The handshake lacks Sec-WebSocket-Key";
  if (headers.get("sec-websocket-version") !== "13") return "Sec-WebSocket-Version must be 13";
}

/**
 * Tells a client why it may not come in, and lets go of it without waiting for its answer; `gone` is called when the runtime
 * has. A handshake that was broken off brings no event: it counts for ten seconds.
 */
function sendRefusal(
  socket: WebSocket,
  { closeCode, code, message }: Refusal,
  frame: object | undefined,
  isolate: Isolate,
  gone: () => void,
): void {
  isolate.hold();
  let isHeld = true;
  const release = () => {
    clearTimeout(giveUp);
    if (isHeld) isolate.release();
    isHeld = false;
  };
  const end = onceGone(socket, () => {
    release();
    gone();
  });
  const giveUp = setTimeout(end, 10_000);
  socket.onopen = () => {
    try {
      if (frame !== undefined) socket.send(JSON.stringify(frame));
    } catch {
      // The client has gone already: it does not want to know.
    }
    closeSocket(socket, closeCode, `${code}: ${message}`);
    release();
  };
}
