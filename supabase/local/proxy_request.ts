import { type IncomingMessage, request as httpRequest, type ServerResponse } from "node:http";
import type { Isolate } from "./isolate.ts";

/** The isolate went away before it took the request: another one may answer it. */
export class IsolateUnreachable extends Error {
  override name = "IsolateUnreachable";
}

/** The isolate ended while it worked on the request, before it answered. */
export class IsolateLost extends Error {
  override name = "IsolateLost";
}

/**
 * Passes a plain request on to an isolate, and its answer back, as they come. Settles when the answer is complete or
 * broke off; an isolate that ends in the middle of it breaks the client's connection too.
 *
 * @throws {IsolateUnreachable} if the isolate never had the request
 * @throws {IsolateLost} if it had, and gave no answer
 */
export function proxyRequest(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  { isolate, path, headers }: { isolate: Isolate; path: string; headers: string[] },
): Promise<void> {
  return new Promise((resolve, reject) => {
    const upstream = httpRequest({
      host: "127.0.0.1",
      port: isolate.port,
      method: incoming.method,
      path,
      headers: headers as never,
      agent: false,
    });
    let hasConnected = false;
    upstream.on("socket", (socket) => {
      socket.on("connect", () => {
        hasConnected = true;
        incoming.pipe(upstream);
      });
    });
    upstream.on("response", (answer) => {
      outgoing.writeHead(answer.statusCode!, answer.statusMessage, answer.rawHeaders as never);
      answer.pipe(outgoing);
      answer.on("error", () => outgoing.destroy());
    });
    upstream.on("error", () => {
      if (outgoing.headersSent) return outgoing.destroy();
      const where = `isolate ${isolate.id} of ${isolate.function}`;
      reject(hasConnected ? new IsolateLost(`Lost ${where}`) : new IsolateUnreachable(`Cannot reach ${where}`));
    });
    outgoing.on("close", () => {
      upstream.destroy();
      resolve();
    });
  });
}
