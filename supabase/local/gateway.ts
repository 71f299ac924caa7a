import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { BootError, type EndReason, type Isolate } from "./isolate.ts";
import type { IsolatePool } from "./isolate_pool.ts";
import type { ProjectKeys } from "./keys.ts";
import { IsolateLost, IsolateUnreachable, proxyRequest } from "./proxy_request.ts";
import { proxySocket } from "./proxy_socket.ts";
import type { TokenResigner } from "./resign_tokens.ts";
import type { Site } from "./serve_site.ts";
import type { Lite } from "./start_lite.ts";

/** What the gateway stands in front of. */
export interface Backends {
  lite: Lite;
  tokens: TokenResigner;
  /** The public keys of `jwks.json`. */
  jwks: { keys: unknown[] };
  keys: ProjectKeys;
  /** Each function by its name. */
  functions: ReadonlyMap<string, { pool: IsolatePool; verifyJwt: boolean }>;
  site: Site;
  /** What the page needs to know, served as `/config.json`. */
  siteConfig: unknown;
  log: (line: string) => void;
}

/** The one address of the local project. */
export interface Gateway {
  readonly port: number;
  /** Begins to answer: until then requests wait. */
  serve(backends: Backends): void;
  /** Ends every connection and the server. May be called twice. */
  close(): Promise<void>;
}

const FUNCTIONS_PREFIX = "/functions/v1";
const MAX_BODY_BYTES = 50 * 1024 * 1024;
const MAX_TRIES = 3;

/**
 * Listens on the loopback interface.
 *
 * @throws {Deno.errors.AddrInUse} if the port is taken
 */
export async function openGateway(port: number): Promise<Gateway> {
  const backends = Promise.withResolvers<Backends>();
  const sockets = new Set<Socket>();
  const server = createServer();
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });
  server.on("request", async (incoming, outgoing) => {
    await answer(await backends.promise, incoming, outgoing).catch((error) => fail(outgoing, error));
  });
  server.on("upgrade", async (incoming, socket, head) => {
    await answerUpgrade(await backends.promise, incoming, socket as Socket, head).catch(() => socket.destroy());
  });
  server.keepAliveTimeout = 75_000;
  await listen(server, port);
  let closed: Promise<void> | undefined;
  return {
    port: (server.address() as AddressInfo).port,
    serve: backends.resolve,
    close: () =>
      closed ??= new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (error: Error & { code?: string }) => {
      reject(error.code === "EADDRINUSE" ? new Deno.errors.AddrInUse(`Port ${port} is taken`) : error);
    });
    server.listen(port, "127.0.0.1", resolve);
  });
}

async function answer(backends: Backends, incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  const path = pathOf(incoming);
  if (path.startsWith(`${FUNCTIONS_PREFIX}/`)) return await answerByFunction(backends, incoming, outgoing);
  if (path === "/auth/v1/.well-known/jwks.json") return sendJson(outgoing, 200, backends.jwks);
  if (path.startsWith("/auth/v1/") || path.startsWith("/rest/v1/")) {
    return await answerByLite(backends, incoming, outgoing);
  }
  if (path === "/config.json") return sendJson(outgoing, 200, backends.siteConfig);
  const file = await backends.site.read(path);
  if (file) return send(outgoing, 200, { "content-type": file.contentType, "cache-control": "no-store" }, file.body);
  sendProblem(outgoing, notFound(path));
}

async function answerByLite(backends: Backends, incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  const body = await readBody(incoming);
  if (body === undefined) return sendProblem(outgoing, { status: 413, title: "The body is too large", detail: "" });
  const headers = new Headers();
  for (let i = 0; i < incoming.rawHeaders.length; i += 2) {
    headers.append(incoming.rawHeaders[i]!, incoming.rawHeaders[i + 1]!);
  }
  const bearer = bearerToken(incoming);
  if (bearer !== undefined) headers.set("authorization", `Bearer ${await backends.tokens.inward(bearer)}`);
  const method = incoming.method!;
  const response = await backends.lite.fetch(
    new Request(new URL(incoming.url!, `http://${incoming.headers.host ?? "127.0.0.1"}`), {
      method,
      headers,
      ...(method === "GET" || method === "HEAD" ? {} : { body }),
    }),
  );
  await sendResponse(outgoing, pathOf(incoming).startsWith("/auth/v1/") ? await outward(backends, response) : response);
}

/** Replaces the access token of an answer of Auth's, in the body or in the fragment that a redirect carries. */
async function outward({ tokens }: Backends, response: Response): Promise<Response> {
  const headers = new Headers(response.headers);
  const location = headers.get("location");
  if (location?.includes("#")) headers.set("location", await outwardFragment(tokens, location));
  if (!headers.get("content-type")?.includes("application/json")) {
    return new Response(response.body, { ...response, headers });
  }
  headers.delete("content-length");
  const text = await response.text();
  const body = text === "" ? null : JSON.stringify(await tokens.outward(JSON.parse(text)));
  return new Response(body, { status: response.status, headers });
}

async function outwardFragment(tokens: TokenResigner, location: string): Promise<string> {
  const url = new URL(location);
  const fragment = new URLSearchParams(url.hash.slice(1));
  const token = fragment.get("access_token");
  if (token === null) return location;
  const session = await tokens.outward({ access_token: token }) as { access_token: string };
  fragment.set("access_token", session.access_token);
  url.hash = fragment.toString();
  return url.href;
}

async function answerByFunction(
  backends: Backends,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): Promise<void> {
  const found = await findFunction(backends, incoming);
  if ("status" in found) return sendJson(outgoing, found.status, found.body);
  const request = { path: innerPath(incoming), headers: forwardedHeaders(incoming) };
  try {
    await withIsolate(found.pool, (isolate) => proxyRequest(incoming, outgoing, { isolate, ...request }));
  } catch (error) {
    const { status, body } = refusalFor(error);
    backends.log(`${found.name} | ${(error as Error).message}`);
    sendJson(outgoing, status, body);
  }
}

async function answerUpgrade(
  backends: Backends,
  incoming: IncomingMessage,
  client: Socket,
  head: Uint8Array,
): Promise<void> {
  client.on("error", () => {}); // "close" follows, and is what counts.
  const path = pathOf(incoming);
  if (!path.startsWith(`${FUNCTIONS_PREFIX}/`)) return endWithProblem(client, notFound(path));
  const found = await findFunction(backends, incoming);
  if ("status" in found) return endWith(client, 502);
  const request = { path: innerPath(incoming), headers: forwardedHeaders(incoming), head };
  try {
    await withIsolate(found.pool, async (isolate) => {
      const { status } = await proxySocket(incoming, client, { isolate, ...request });
      if (status !== 101) {
        backends.log(`${found.name} | answered ${status} to an upgrade: the client sees an empty 502`);
      }
    });
  } catch (error) {
    if (!(error instanceof BootError)) throw error;
    backends.log(`${found.name} | ${error.message}`);
    endWith(client, 502);
  }
}

/** Runs a request on the next isolate in turn, and on another one should that have ended just now. */
async function withIsolate(
  pool: IsolatePool,
  run: (isolate: Isolate) => Promise<void>,
): Promise<void> {
  for (let tries = 1;; tries++) {
    const isolate = await pool.acquire();
    const done = isolate.beginRequest();
    try {
      return await run(isolate);
    } catch (error) {
      if (error instanceof IsolateLost) throw new EndedIsolate(await isolate.ended);
      if (!(error instanceof IsolateUnreachable) || tries === MAX_TRIES) throw error;
    } finally {
      done();
    }
  }
}

type FoundFunction = { name: string; pool: IsolatePool } | Refusal;

/** An answer of the platform's own. */
interface Refusal {
  status: number;
  body: unknown;
}

/** An isolate ended before it answered. */
class EndedIsolate extends Error {
  constructor(readonly reason: EndReason) {
    super(`an isolate ended before it answered a request: ${reason}`);
  }
}

/** What the hosted gateway says when a function gives no answer. */
function refusalFor(error: unknown): Refusal {
  if (error instanceof BootError) {
    return { status: 503, body: { code: "BOOT_ERROR", message: "Function failed to start (please check logs)" } };
  }
  if (error instanceof EndedIsolate && LIMITS.has(error.reason)) {
    const message = "Function failed due to not having enough compute resources (please check logs)";
    return { status: 546, body: { code: "WORKER_LIMIT", message } };
  }
  return {
    status: 500,
    body: { code: "WORKER_ERROR", message: "Function exited due to an error (please check logs)" },
  };
}

const LIMITS: ReadonlySet<EndReason> = new Set(["wall_clock", "cpu", "memory"]);

async function findFunction({ functions, tokens }: Backends, incoming: IncomingMessage): Promise<FoundFunction> {
  const name = pathOf(incoming).split("/")[3]!;
  const found = functions.get(name);
  if (!found) return { status: 404, body: { code: "NOT_FOUND", message: "Requested function was not found" } };
  if (!found.verifyJwt || incoming.method === "OPTIONS") return { name, pool: found.pool };
  const bearer = bearerToken(incoming);
  if (bearer === undefined) return { status: 401, body: { code: 401, message: "Missing authorization header" } };
  if (await tokens.verify(bearer)) return { name, pool: found.pool };
  return { status: 401, body: { code: 401, message: "Invalid JWT" } };
}

function pathOf(incoming: IncomingMessage): string {
  return incoming.url!.split("?", 1)[0]!;
}

/** What the function sees: `/NAME/...`, with the query. */
function innerPath(incoming: IncomingMessage): string {
  return incoming.url!.slice(FUNCTIONS_PREFIX.length);
}

/** The headers as they came, with what a proxy adds in the place of what the client may have claimed. */
function forwardedHeaders(incoming: IncomingMessage): string[] {
  const headers: string[] = [];
  for (let i = 0; i < incoming.rawHeaders.length; i += 2) {
    const name = incoming.rawHeaders[i]!;
    if (!/^(x-forwarded-|forwarded$)/i.test(name)) headers.push(name, incoming.rawHeaders[i + 1]!);
  }
  const host = incoming.headers.host ?? "127.0.0.1";
  headers.push("X-Forwarded-For", incoming.socket.remoteAddress ?? "127.0.0.1");
  headers.push("X-Forwarded-Proto", "http", "X-Forwarded-Host", host);
  headers.push("X-Forwarded-Port", host.split(":")[1] ?? "80");
  return headers;
}

function bearerToken(incoming: IncomingMessage): string | undefined {
  return /^Bearer\s+(\S+)$/i.exec(incoming.headers.authorization ?? "")?.[1];
}

/** The whole body, or undefined if it is larger than the limit. */
async function readBody(incoming: IncomingMessage): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  for await (const chunk of incoming) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) return undefined;
    chunks.push(chunk);
  }
  return new Uint8Array(await new Blob(chunks).arrayBuffer());
}

/** Problem JSON (RFC 9457). */
interface Problem {
  status: number;
  title: string;
  detail: string;
}

function notFound(path: string): Problem {
  const detail = path.startsWith("/realtime/v1")
    ? "This local Supabase has no Realtime server."
    : `The local Supabase answers under /auth/v1, /rest/v1 and /functions/v1, not under ${path}.`;
  return { status: 404, title: "There is nothing here", detail };
}

function sendProblem(outgoing: ServerResponse, problem: Problem): void {
  const body = new TextEncoder().encode(JSON.stringify({ type: "about:blank", ...problem }));
  send(outgoing, problem.status, { "content-type": "application/problem+json" }, body);
}

function sendJson(outgoing: ServerResponse, status: number, value: unknown): void {
  send(outgoing, status, { "content-type": "application/json" }, new TextEncoder().encode(JSON.stringify(value)));
}

function send(outgoing: ServerResponse, status: number, headers: Record<string, string>, body: Uint8Array): void {
  outgoing.writeHead(status, { "access-control-allow-origin": "*", ...headers, "content-length": body.length });
  outgoing.end(body);
}

async function sendResponse(outgoing: ServerResponse, response: Response): Promise<void> {
  const body = new Uint8Array(await response.arrayBuffer());
  const headers = [...response.headers].filter(([name]) => name !== "content-length").flat();
  outgoing.writeHead(response.status, headers as never);
  outgoing.end(body);
}

function fail(outgoing: ServerResponse, error: unknown): void {
  if (outgoing.headersSent) return void outgoing.destroy();
  sendProblem(outgoing, { status: 500, title: "The local Supabase failed", detail: String(error) });
}

function endWithProblem(client: Socket, problem: Problem): void {
  const body = JSON.stringify({ type: "about:blank", ...problem });
  client.end(
    `HTTP/1.1 ${problem.status} Not Found\r\ncontent-type: application/problem+json\r\n` +
      `content-length: ${body.length}\r\nconnection: close\r\n\r\n${body}`,
  );
}

function endWith(client: Socket, status: 502): void {
  client.end(`HTTP/1.1 ${status} Bad Gateway\r\ncontent-length: 0\r\nconnection: close\r\n\r\n`);
}
