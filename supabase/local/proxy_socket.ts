import { Buffer } from "node:buffer";
import type { IncomingMessage } from "node:http";
import { connect, type Socket } from "node:net";
import { clientConnection } from "./client_connection.ts";
import type { Isolate } from "./isolate.ts";
import { refuseUpgrade } from "./outgoing.ts";
import { IsolateUnreachable } from "./proxy_request.ts";

const HEAD_END = "\r\n\r\n";
const MAX_HEAD_BYTES = 64 * 1024;

/** What became of an upgrade request. */
export interface UpgradeOutcome {
  /** The status that the function answered with. Anything but 101 reached the client as an empty 502. */
  status: number;
}

/**
 * Passes an upgrade request on to an isolate. Behind a 101 the two connections are one, byte for byte: close frames,
 * resets and backpressure pass as they are. Settles when the function has answered.
 *
 * @throws {IsolateUnreachable} if the isolate could not be reached; the client's connection is still open then
 */
export function proxySocket(
  incoming: IncomingMessage,
  client: Socket,
  { isolate, path, headers, head }: { isolate: Isolate; path: string; headers: string[]; head: Uint8Array },
): Promise<UpgradeOutcome> {
  return new Promise((resolve, reject) => {
    const upstream = connect({ host: "127.0.0.1", port: isolate.port });
    let received = Buffer.alloc(0);
    let hasConnected = false;

    upstream.setNoDelay(true);
    client.setNoDelay(true);
    upstream.on("connect", () => {
      hasConnected = true;
      upstream.write(requestHead(incoming.method!, path, headers));
      if (head.length > 0) upstream.write(head);
    });
    upstream.on("data", onHead);
    upstream.on("error", () => {}); // "close" follows.
    upstream.on("close", onLost);
    client.on("error", () => {});
    client.on("close", onClientLost);

    function onHead(chunk: Uint8Array): void {
      received = Buffer.concat([received, chunk]);
      const end = received.indexOf(HEAD_END);
      if (end < 0 && received.length < MAX_HEAD_BYTES) return;
      upstream.off("data", onHead);
      upstream.off("close", onLost);
      const status = Number(received.subarray(9, 12).toString("latin1"));
      if (status === 101 && end >= 0) join();
      else refuse();
      resolve({ status });
    }

    function join(): void {
      client.off("close", onClientLost);
      client.write(received);
      const connection = clientConnection(incoming, client);
      isolate.connections.add(connection);
      client.on("close", () => isolate.connections.delete(connection));
      endTogether(upstream, client);
      endTogether(client, upstream);
      upstream.pipe(client);
      client.pipe(upstream);
    }

    function onClientLost(): void {
      upstream.destroy();
    }

    function refuse(): void {
      upstream.destroy();
      refuseUpgrade(client, 502); // Whatever the function said: the platform passes nothing of it on.
    }

    function onLost(): void {
      if (!hasConnected) return reject(new IsolateUnreachable(`Cannot reach isolate ${isolate.id}`));
      refuse();
      resolve({ status: 502 });
    }
  });
}

/** Ends `other` when `one` is over: at once after a reset, otherwise once all is written that `one` had sent. */
function endTogether(one: Socket, other: Socket): void {
  one.on("close", (hadError) => {
    if (hadError) other.destroy();
    else other.end(() => other.destroy());
  });
}

function requestHead(method: string, path: string, headers: readonly string[]): string {
  const fields = [];
  for (let i = 0; i < headers.length; i += 2) fields.push(`${headers[i]}: ${headers[i + 1]}`);
  return `${method} ${path} HTTP/1.1\r\n${fields.join("\r\n")}${HEAD_END}`;
}
