import { closeReason } from "./close_reason.ts";

/** Closes a socket, whatever its state, without waiting for the peer's answer. Never throws. */
export function closeSocket(socket: WebSocket, code: number, reason: string): void {
  try {
    socket.close(code, closeReason(reason));
  } catch {
    // A socket that is closed already has nothing left to say goodbye to.
  }
}

/** How much a client may still send before it is cut off without having heard why. */
export interface Patience {
  readonly messages: number;
  readonly bytes: number;
}

/** A client that has sent nothing for so long has sent all it had on the way. */
const QUIET_MS = 100;
const MAX_QUIET_CHECKS = 20;

/**
 * Closes a socket whose client is in the middle of sending too much. The runtime cuts a connection as soon as a frame
 * arrives after `close()`, mostly before the close frame has left, and the client would take a refusal for a network
 * that failed and come back to send the same again. So what still comes is read and dropped until there is a pause, for
 * two seconds at most and within `patience`.
 */
export function closeOnceQuiet(socket: WebSocket, code: number, reason: string, patience: Patience): void {
  let { messages, bytes } = patience;
  let checks = 0;
  let isQuiet = true;
  const timer = setInterval(() => {
    if (isQuiet || ++checks === MAX_QUIET_CHECKS) close();
    isQuiet = true;
  }, QUIET_MS);
  const close = () => {
    stop();
    closeSocket(socket, code, reason);
  };
  const stop = () => {
    clearInterval(timer);
    socket.onmessage = socket.onclose = socket.onerror = null;
  };
  socket.onclose = socket.onerror = stop;
  socket.onmessage = ({ data }: MessageEvent<string | ArrayBuffer>) => {
    isQuiet = false;
    messages--;
    bytes -= typeof data === "string" ? data.length : data.byteLength;
    if (messages < 0 || bytes < 0) close();
  };
}
