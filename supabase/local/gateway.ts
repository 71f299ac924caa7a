import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { answerByFunction, FUNCTIONS_PREFIX, upgradeByFunction } from "./answer_by_function.ts";
import { answerByLite } from "./answer_by_lite.ts";
import type { Backends } from "./backends.ts";
import { pathOf } from "./incoming.ts";
import { type Problem, refuseUpgrade, send, sendJson, sendProblem } from "./outgoing.ts";
import { REALTIME_PREFIX } from "./realtime/start_realtime.ts";
import { STAGE_PREFIX } from "./stage.ts";

/** The one address of the local project. */
export interface Gateway {
  readonly port: number;
  /** Begins to answer: until then requests wait. */
  serve(backends: Backends): void;
  /** Ends every connection and the server. May be called twice. */
  close(): Promise<void>;
}

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
    socket.on("error", () => {}); // "close" follows, and is what counts. A client may reset while it still waits here.
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
  if (path.startsWith(`${REALTIME_PREFIX}/`)) return await backends.realtime.answer(incoming, outgoing);
  if (path.startsWith(`${STAGE_PREFIX}/`)) return await backends.stage.answer(incoming, outgoing);
  if (path === "/config.json") return sendJson(outgoing, 200, backends.siteConfig);
  const file = await backends.site.read(path);
  if (file) return send(outgoing, 200, { "content-type": file.contentType, "cache-control": "no-store" }, file.body);
  sendProblem(outgoing, notFound(path));
}

async function answerUpgrade(
  backends: Backends,
  incoming: IncomingMessage,
  client: Socket,
  head: Uint8Array,
): Promise<void> {
  const path = pathOf(incoming);
  if (path.startsWith(`${FUNCTIONS_PREFIX}/`)) return await upgradeByFunction(backends, incoming, client, head);
  if (path.startsWith(`${REALTIME_PREFIX}/`)) return backends.realtime.upgrade(incoming, client, head);
  refuseUpgrade(client, 404, notFound(path));
}

function notFound(path: string): Problem {
  const detail =
    `The local Supabase answers under /auth/v1, /rest/v1, /realtime/v1 and /functions/v1, not under ${path}.`;
  return { status: 404, title: "There is nothing here", detail };
}

function fail(outgoing: ServerResponse, error: unknown): void {
  if (outgoing.headersSent) return void outgoing.destroy();
  sendProblem(outgoing, { status: 500, title: "The local Supabase failed", detail: String(error) });
}
