import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";

/** A socket of a client that an isolate holds. */
export interface ClientConnection {
  /** Counts from 1, over all isolates. */
  readonly id: number;
  /** What the client calls itself over its connections (`&session=`), where it does. */
  readonly session?: string;
  /** The bytes that came from the client so far. */
  readonly received: number;
  /** The bytes that went to it. */
  readonly sent: number;
}

let lastId = 0;

/** Sees a connection from outside, by the request that made it and its TCP socket; the token is left where it is. */
export function clientConnection(incoming: IncomingMessage, socket: Socket): ClientConnection {
  const session = new URL(incoming.url!, "http://localhost").searchParams.get("session");
  return {
    id: ++lastId,
    ...(session !== null && { session }),
    get received() {
      return socket.bytesRead;
    },
    get sent() {
      return socket.bytesWritten;
    },
  };
}
