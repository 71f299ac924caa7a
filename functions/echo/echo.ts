import type { ClientMessage, JoinMessage, SendMessage } from "../../shared/connection/mod.ts";
import { type Self, send } from "../../shared/process/mod.ts";

/** What the echo of one connection does. */
export interface EchoOptions {
  /** The first frame; left out for a client that knows nothing of ours. */
  greeting?: unknown;
  /** Answer each frame with the server's date, as the first example of the Supabase guide does. */
  time: boolean;
}

/** A process that sends each frame of its connection back, byte for byte. */
export function echo({ greeting, time }: EchoOptions) {
  return {
    "ws.join"({ client_pid }: JoinMessage) {
      if (greeting !== undefined) send(client_pid, "ws.send", text(JSON.stringify(greeting)));
    },
    "ws.message"({ client_pid, type, data }: ClientMessage) {
      send(client_pid, "ws.send", time ? text(new Date().toString()) : { type, data });
    },
    "ws.leave"(_: unknown, self: Self) {
      self.exit();
    },
  };
}

function text(data: string): SendMessage {
  return { type: "text", data };
}
