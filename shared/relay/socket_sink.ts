import type { FrameData } from "./frame_queue.ts";
import type { Sink } from "./outlet.ts";

/** What the runtime may hold of one socket before frames wait here instead. */
const MAX_BUFFERED_BYTES = 256 * 1024;
/** A socket does not tell when its buffer empties: it has to be looked at. */
const POLL_MS = 10;

/** A socket as the end of an outlet. It is not ready before it is open: whoever opens it calls `resume` then. */
export class SocketSink implements Sink {
  readonly #socket: WebSocket;
  readonly #resume: () => void;
  /** At most so many bytes are buffered: asking the socket with every frame costs a part of sending it. */
  #mostBuffered = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(socket: WebSocket, resume: () => void) {
    this.#socket = socket;
    this.#resume = resume;
  }

  isReady(): boolean {
    if (this.#socket.readyState !== WebSocket.OPEN) return false;
    if (this.#mostBuffered <= MAX_BUFFERED_BYTES) return true;
    this.#mostBuffered = this.#socket.bufferedAmount;
    if (this.#mostBuffered <= MAX_BUFFERED_BYTES) return true;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#resume();
    }, POLL_MS);
    return false;
  }

  send(data: FrameData): void {
    this.#mostBuffered += typeof data === "string" ? 3 * data.length : data.byteLength;
    this.#socket.send(data);
  }

  /** Releases its timer. */
  dispose(): void {
    clearTimeout(this.#timer);
  }
}
