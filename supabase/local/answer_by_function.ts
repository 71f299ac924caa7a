import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Backends } from "./backends.ts";
import { bearerToken, headerPairs, pathOf } from "./incoming.ts";
import { BootError, type Isolate } from "./isolate.ts";
import type { IsolatePool } from "./isolate_pool.ts";
import type { EndReason } from "./isolate_state.ts";
import { refuseUpgrade, sendJson } from "./outgoing.ts";
import { IsolateLost, IsolateUnreachable, proxyRequest } from "./proxy_request.ts";
import { proxySocket } from "./proxy_socket.ts";

/** Where functions are. They see their path without it. */
export const FUNCTIONS_PREFIX = "/functions/v1";

const MAX_TRIES = 3;

/** Answers a plain request under `/functions/v1`. */
export async function answerByFunction(
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

/** Answers an upgrade request under `/functions/v1`. */
export async function upgradeByFunction(
  backends: Backends,
  incoming: IncomingMessage,
  client: Socket,
  head: Uint8Array,
): Promise<void> {
  const found = await findFunction(backends, incoming);
  if ("status" in found) return refuseUpgrade(client, 502);
  const request = { path: innerPath(incoming), headers: forwardedHeaders(incoming), head };
  try {
    await withIsolate(found.pool, async (isolate) => {
      if (client.destroyed) return; // It went while an isolate booted.
      const { status } = await proxySocket(incoming, client, { isolate, ...request });
      if (status !== 101) {
        backends.log(`${found.name} | answered ${status} to an upgrade: the client sees an empty 502`);
      }
    });
  } catch (error) {
    backends.log(`${found.name} | ${(error as Error).message}`);
    refuseUpgrade(client, 502);
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

/** What the function sees: `/NAME/...`, with the query. */
function innerPath(incoming: IncomingMessage): string {
  return incoming.url!.slice(FUNCTIONS_PREFIX.length);
}

/** The headers as they came, with what a proxy adds in the place of what the client may have claimed. */
function forwardedHeaders(incoming: IncomingMessage): string[] {
  const headers: string[] = [];
  for (const [name, value] of headerPairs(incoming)) {
    if (!/^(x-forwarded-|forwarded$)/i.test(name)) headers.push(name, value);
  }
  const host = incoming.headers.host ?? "127.0.0.1";
  headers.push("X-Forwarded-For", incoming.socket.remoteAddress ?? "127.0.0.1");
  headers.push("X-Forwarded-Proto", "http", "X-Forwarded-Host", host);
  headers.push("X-Forwarded-Port", host.split(":")[1] ?? "80");
  return headers;
}
