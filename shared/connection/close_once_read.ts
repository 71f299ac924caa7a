import { closeOnceQuiet, closeSocket, type Patience } from "./close_socket.ts";
import { onceGone } from "./once_gone.ts";
import { ReadPace } from "./read_pace.ts";
import type { Timer, Timers } from "./timers.ts";

/** From so much on, what a client has not read is waited for: less is on its way when a connection ends. */
export const UNREAD_BYTES = 16 * 1024;
/** The longest time between two looks: hundreds may stall in an isolate, which has two seconds of CPU for all its life. */
export const MOST_LOOK_MS = 2_500;
/** For how long a buffer counts of which nothing tells whether the runtime still holds it. */
const UNTOLD_MS = 120_000;

/** How a socket is closed whose client has yet to read. */
export interface Farewell {
  readonly code: number;
  readonly reason: string;
  /** What the client may send meanwhile; it is dropped. */
  readonly patience: Patience;
  readonly timers: Timers;
  /** Told what the runtime holds for the socket, now and whenever it is less; last, once it has let go of it, 0. */
  readonly held: (bytes: number) => void;
}

/**
 * Closes a socket once its client has read what was sent to it; the close frame could not reach it sooner. Until then the
 * socket stays open, for the runtime tells no more of one that is closing: `bufferedAmount` is 0, a single frame of the
 * client, a pong is enough, brings a `close` event, and the buffer stays for as long as the TCP connection does (Deno
 * 2.1.4 and 2.9.6). No ping of the runtime ends that: it waits behind the buffer, and none is sent once it closes. Once
 * closed it counts until its client has answered, as any other: see `onceGone`.
 *
 * Where the socket breaks before and the system does not say that its connection has gone, as for a frame that is none or
 * a client that has only stopped sending, the buffer counts for two minutes more.
 */
export function closeOnceRead(socket: WebSocket, { code, reason, patience, timers, held }: Farewell): void {
  let { messages, bytes } = patience;
  const pace = new ReadPace();
  let isSending = false;
  let timer: Timer | undefined;
  const look = () => {
    const unread = socket.bufferedAmount;
    if (unread < UNREAD_BYTES) {
      stop();
      held(Math.max(1, unread));
      onceGone(socket, () => held(0), timers);
      return isSending ? closeOnceQuiet(socket, code, reason, { messages, bytes }) : closeSocket(socket, code, reason);
    }
    held(unread);
    isSending = false;
    timer = timers.onBeat(pace.look(unread, timers.now, MOST_LOOK_MS), undefined, look);
  };
  const stop = () => {
    timers.cancel(timer);
    socket.onmessage = socket.onclose = socket.onerror = null;
  };
  const end = () => {
    stop();
    held(0);
  };
  const awaitEnd = () => {
    socket.onmessage = socket.onclose = null;
    timers.cancel(timer);
    timer = timers.after(UNTOLD_MS, undefined, end);
  };
  socket.onerror = (event) => isGone(event) ? end() : awaitEnd();
  // A close frame is answered behind the buffer: then all has been read.
  socket.onclose = ({ code }) => code === 0 ? awaitEnd() : end();
  socket.onmessage = ({ data }: MessageEvent<string | ArrayBuffer>) => {
    isSending = true;
    messages--;
    bytes -= typeof data === "string" ? data.length : data.byteLength;
    if (messages >= 0 && bytes >= 0) return;
    awaitEnd();
    closeSocket(socket, code, reason);
  };
  look();
}

/** Counts what was unread in a socket that broke, where nothing will tell when the runtime lets go of it. */
export function holdUntold(unread: number, held: (bytes: number) => void, timers: Timers): void {
  held(unread);
  timers.after(UNTOLD_MS, held, (held) => held(0));
}

/** Whether the system says that there is no connection any more, so that the runtime has let go of what it held for it. */
export function isGone(event: Event): boolean {
  return event instanceof ErrorEvent && /os error|Failed to send frame/.test(event.message);
}
