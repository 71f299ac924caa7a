import { createServer, type IncomingMessage } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
// @ts-types="../../../supabase/local/realtime/ws.d.ts"
import { type WebSocket, WebSocketServer } from "ws";
import { eventually } from "../../support/eventually.ts";
import { type Opening, RealtimeSession, type SessionBehaviour } from "./realtime_session.ts";

/** What is accepted, and how sessions behave. */
export interface OpenAiRealtimeOptions extends SessionBehaviour {
  /** Default `sk-test-key`. */
  readonly apiKey?: string;
  /** Default `gpt-realtime` alone. */
  readonly models?: readonly string[];
  /** A certificate for `wss:`; without one it is `ws:`. */
  readonly tls?: { readonly cert: string; readonly key: string };
}

/** A server in the place of OpenAI. */
export interface OpenAiRealtime extends AsyncDisposable {
  /** `ws://127.0.0.1:PORT/v1/realtime` */
  readonly url: string;
  readonly apiKey: string;
  /** In the order in which they began. */
  readonly sessions: readonly RealtimeSession[];
  /** The next session that no call has given yet. */
  next(): Promise<RealtimeSession>;
}

const MAX_FRAME_BYTES = 32 * 1024 * 1024;

/**
 * Starts a strict stand-in of OpenAI Realtime (GA) over WebSockets, on a free port of the loopback. It holds clients to the
 * types of the `openai` package (a field, an event, a role or a content that is not there is refused in the API's own shape) and to
 * the rules of a conversation; it answers by `answer`, hears and speaks by `speech.ts`, and a test can make it
 * stall, drop, flood and expire: see `RealtimeSession`.
 *
 * It has what a relay can meet. It has no MCP, no transcription or translation sessions, no G.711, no idle timeout, and it truncates no
 * context by itself.
 */
export async function startOpenAiRealtime(options: OpenAiRealtimeOptions = {}): Promise<OpenAiRealtime> {
  const { apiKey = "sk-test-key", models = ["gpt-realtime"], tls } = options;
  const sessions: RealtimeSession[] = [];
  const sockets = new Set<WebSocket>();
  let given = 0;
  const wss = new WebSocketServer({ noServer: true, maxPayload: MAX_FRAME_BYTES, perMessageDeflate: false });
  const server = tls ? createTlsServer({ ...tls }) : createServer();
  server.on("upgrade", (incoming, client, head) => {
    const opening = openingOf(incoming);
    const status = opening.address.split("?", 1)[0] !== "/v1/realtime"
      ? 404
      : keyOf(opening) !== apiKey
      ? 401
      : undefined;
    if (status !== undefined) {
      return client.end(`HTTP/1.1 ${status} ${status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`);
    }
    wss.handleUpgrade(incoming, client, head, (socket) => {
      sockets.add(socket);
      socket.on("close", () => sockets.delete(socket));
      const flaw = flawOf(opening, models);
      if (flaw === undefined) sessions.push(new RealtimeSession(socket, sessions.length + 1, opening, options));
      else refuseSession(socket, flaw);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `${tls ? "wss" : "ws"}://127.0.0.1:${(server.address() as AddressInfo).port}/v1/realtime`,
    apiKey,
    sessions,
    next: () => eventually("a session begins", () => sessions[given] && sessions[given++]),
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.terminate();
      wss.close();
      await closed;
    },
  };
}

function openingOf({ url = "/", headers }: IncomingMessage): Opening {
  const offered = headers["sec-websocket-protocol"] ?? "";
  return {
    address: url,
    model: new URL(url, "http://localhost").searchParams.get("model") ?? "",
    protocols: offered.split(/\s*,\s*/).filter((protocol) => protocol !== ""),
    headers: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, value?.toString()])),
  };
}

/** From the header, as servers send it, or from the subprotocol, as browsers do. */
function keyOf({ headers, protocols }: Opening): string | undefined {
  const prefix = "openai-insecure-api-key.";
  return headers["authorization"]?.replace(/^Bearer /, "") ??
    protocols.find((protocol) => protocol.startsWith(prefix))?.slice(prefix.length);
}

interface Flaw {
  readonly code: string;
  readonly message: string;
}

function flawOf({ headers, protocols, model }: Opening, models: readonly string[]): Flaw | undefined {
  const asksForBeta = headers["openai-beta"] ?? protocols.find((protocol) => protocol.startsWith("openai-beta."));
  if (asksForBeta !== undefined) {
    const message = "The Realtime Beta API is no longer supported. Please use /v1/realtime for the GA API.";
    return { code: "beta_api_shape_disabled", message };
  }
  if (protocols.length > 0 && protocols[0] !== "realtime") {
    return { code: "invalid_subprotocol", message: "The first subprotocol must be 'realtime'." };
  }
  if (model === "") return { code: "missing_model", message: "You must provide a model parameter." };
  return models.includes(model) ? undefined : {
    code: "model_not_found",
    message: `The model '${model}' does not exist or you do not have access to it.`,
  };
}

function refuseSession(socket: WebSocket, { code, message }: Flaw): void {
  const type = "invalid_request_error";
  const error = { type, code, message, param: null, event_id: null };
  socket.on("error", () => {}); // It is closed either way.
  socket.send(JSON.stringify({ type: "error", event_id: "event_0", error }));
  socket.close(4000, `${type}.${code}`);
}
