import type { FlushMessage, SendMessage } from "../connection/mod.ts";
import type { Pid, Processes, Recipient } from "../process/mod.ts";
import type { FrameData } from "./frame_queue.ts";
import type { Sink } from "./outlet.ts";

/** What may be sent to a connection until it says that it has mostly left. */
const WINDOW_BYTES = 256 * 1024;

/** A client's connection as the end of an outlet. */
export class ConnectionSink implements Sink {
  readonly #connection: Recipient;
  readonly #resume: () => void;
  #unflushedBytes = 0;
  #isFlushing = false;

  constructor(processes: Processes, connection: Pid, resume: () => void) {
    this.#connection = processes.recipient(connection);
    this.#resume = resume;
  }

  isReady(): boolean {
    return this.#unflushedBytes < WINDOW_BYTES;
  }

  send(data: FrameData): void {
    const frame: SendMessage = { type: typeof data === "string" ? "text" : "binary", data };
    this.#connection.send("ws.send", frame);
    // Text by its length: near enough for a window, and no frame is measured only for it.
    this.#unflushedBytes += typeof data === "string" ? data.length : data.byteLength;
    // Asked for at half of the window, so that a connection that drains never waits for the answer.
    if (this.#unflushedBytes * 2 < WINDOW_BYTES || this.#isFlushing) return;
    this.#isFlushing = true;
    const done = () => {
      this.#isFlushing = false;
      this.#unflushedBytes = 0;
      this.#resume();
    };
    this.#connection.send("ws.flush", { done } satisfies FlushMessage);
  }
}
