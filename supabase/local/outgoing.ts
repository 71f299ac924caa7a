import { type ServerResponse, STATUS_CODES } from "node:http";
import type { Socket } from "node:net";

/** Problem JSON (RFC 9457). */
export interface Problem {
  status: number;
  title: string;
  detail: string;
}

/** Answers with problem JSON. */
export function sendProblem(outgoing: ServerResponse, problem: Problem): void {
  const body = new TextEncoder().encode(JSON.stringify({ type: "about:blank", ...problem }));
  send(outgoing, problem.status, { "content-type": "application/problem+json" }, body);
}

/** Answers with JSON. */
export function sendJson(outgoing: ServerResponse, status: number, value: unknown): void {
  send(outgoing, status, { "content-type": "application/json" }, new TextEncoder().encode(JSON.stringify(value)));
}

/** Answers with a body that is complete. Pages of any origin may read it. */
export function send(
  outgoing: ServerResponse,
  status: number,
  headers: Record<string, string>,
  body: Uint8Array,
): void {
  outgoing.writeHead(status, { "access-control-allow-origin": "*", ...headers, "content-length": body.length });
  outgoing.end(body);
}

/** Answers with a `Response`. */
export async function sendResponse(outgoing: ServerResponse, response: Response): Promise<void> {
  const body = new Uint8Array(await response.arrayBuffer());
  const headers = [...response.headers].filter(([name]) => name !== "content-length").flat();
  outgoing.writeHead(response.status, headers as never);
  outgoing.end(body);
}

/** Answers an upgrade request with a plain response, and ends the connection. */
export function refuseUpgrade(client: Socket, status: number, problem?: Problem): void {
  const body = problem ? JSON.stringify({ type: "about:blank", ...problem }) : "";
  const type = problem ? "content-type: application/problem+json\r\n" : "";
  client.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${type}content-length: ${body.length}\r\nconnection: close\r\n\r\n` +
      body,
  );
}
