import type { RealtimeChannel, RealtimeClient } from "@supabase/supabase-js";
import { realtimeTopic } from "./realtime_message.ts";
import { retryDelayMs } from "./retry_delay_ms.ts";

/** What a connection is given. */
export interface RealtimeConnectionOptions {
  readonly url: string;
  readonly secretKey: string;
  /** Called when the socket is open again after a loss. */
  readonly onReopen: () => void;
}

const PACE = { firstMs: 100, mostMs: 5_000 };
/** A server that does not answer a heartbeat by the next one counts as gone. */
const HEARTBEAT_MS = 10_000;
const JOIN_TIMEOUT_MS = 5_000;
const LEAVE_TIMEOUT_MS = 1_000;
const CLOSE_TIMEOUT_MS = 1_000;
/** Bytes that may wait in the socket for a server that does not read. */
const MAX_BUFFERED_BYTES = 4_000_000;
const MAX_BUFFERED_FRAMES = 1_000;

/**
 * One socket to Realtime as the server, by realtime-js, which opens it again after every loss and joins the channels anew.
 * Where that leaves something behind (timers, listeners), this does it in its place.
 */
export class RealtimeConnection {
  readonly #client: RealtimeClient;
  readonly #leaving = new Set<Promise<unknown>>();
  #socket: WebSocket | undefined;
  #sockets = 0;
  #isClosed = false;

  constructor(Client: typeof RealtimeClient, { url, secretKey, onReopen }: RealtimeConnectionOptions) {
    const adopt = (socket: WebSocket) => this.#adopt(socket, onReopen);
    class Transport extends WebSocket {
      constructor(address: string | URL, protocols?: string | string[]) {
        super(address, protocols);
        adopt(this);
      }
    }
    this.#client = new Client(`${url.replace(/^http/, "ws")}/realtime/v1`, {
      params: { apikey: secretKey },
      transport: Transport,
      timeout: JOIN_TIMEOUT_MS,
      heartbeatIntervalMs: HEARTBEAT_MS,
      reconnectAfterMs: (attempt) => retryDelayMs(attempt, PACE),
    });
  }

  /** Prepares the channel of a topic of the bus. A channel of the same name must have closed before. */
  channel(topic: string): RealtimeChannel {
    // Joins and leaves of an outage pile up there; a join that is missing is sent again.
    if (this.#client.sendBuffer.length > MAX_BUFFERED_FRAMES) this.#client.sendBuffer.length = 0;
    return this.#client.channel(realtimeTopic(topic), {
      config: { private: true, broadcast: { self: false, ack: false } },
    });
  }

  /** Broadcasts over a channel that is joined; false where it cannot be sent. */
  send(channel: RealtimeChannel, event: string, payload: unknown): boolean {
    const socket = this.#socket;
    if (socket?.readyState !== WebSocket.OPEN || socket.bufferedAmount > MAX_BUFFERED_BYTES) return false;
    // Not `channel.send`: that keeps a timer and a listener for each message, for an answer that never comes.
    this.#client.push({
      topic: channel.topic,
      event: "broadcast",
      payload: { type: "broadcast", event, payload },
      ref: "0",
      join_ref: channel.joinPush.ref ?? "",
    });
    return true;
  }

  /** Leaves a channel; its status becomes `CLOSED` when that is done. */
  leave(channel: RealtimeChannel): void {
    const leaving = channel.unsubscribe(LEAVE_TIMEOUT_MS);
    this.#leaving.add(leaving);
    leaving.finally(() => this.#leaving.delete(leaving));
  }

  /** Ends it with its channels, without a status. May be called twice. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await Promise.all(this.#leaving);
    for (const channel of this.#client.getChannels()) channel.teardown();
    // Not `client.disconnect`: it leaves a timer of ten seconds behind.
    Object.assign(this.#client.reconnectTimer, { callback() {} });
    const socket = this.#socket;
    if (socket !== undefined && socket.readyState !== WebSocket.CLOSED) await closeSocket(socket);
    this.#client.reconnectTimer.reset();
  }

  #adopt(socket: WebSocket, onReopen: () => void): void {
    this.#socket = socket;
    socket.addEventListener("open", () => {
      if (this.#isClosed) return socket.close(1000, "done");
      if (this.#sockets++ > 0) onReopen();
    });
  }
}

/** Waits for the close, for a moment: one that is still connecting, or whose peer is silent, may never tell. */
async function closeSocket(socket: WebSocket): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const closed = new Promise<void>((resolve) => {
    socket.addEventListener("close", () => resolve(), { once: true });
    timer = setTimeout(resolve, CLOSE_TIMEOUT_MS);
  });
  socket.close(1000, "done");
  await closed;
  clearTimeout(timer);
}
