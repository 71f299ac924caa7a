import type { Timer, Timers } from "./timers.ts";

/** For how long a socket counts that was closed and whose client says nothing. */
const SILENT_MS = 120_000;

/**
 * Calls `gone` once, when the runtime lets go of a socket that is being closed from here: when its client has answered
 * the close frame, or its TCP connection has ended. One that does neither keeps a descriptor and some 25 KB, for as long
 * as it likes (Deno 2.1.4 and 2.9.6 have no time limit for it), and counts for two minutes; without `timers` until the
 * end, or until what is returned is called.
 */
export function onceGone(socket: WebSocket, gone: () => void, timers?: Timers): () => void {
  const done = () => {
    timers?.cancel(timer);
    socket.removeEventListener("close", done);
    socket.removeEventListener("error", done);
    gone();
  };
  const timer: Timer | undefined = timers?.after(SILENT_MS, done, (done) => done());
  socket.addEventListener("close", done);
  socket.addEventListener("error", done);
  return done;
}
