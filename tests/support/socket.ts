import { within } from "./within.ts";

/** What a client sends and receives. */
export type Frame = string | ArrayBuffer;

/** How a socket closed. */
export interface Closed {
  readonly code: number;
  readonly reason: string;
}

/** How a socket is opened; headers need Deno 2.3 or later. */
export interface SocketOpening {
  readonly protocols?: string | string[];
  readonly headers?: Record<string, string>;
}

/**
 * A client whose every step is a promise with a deadline.
 *
 * ```ts
 * await using client = await openSocket(served.socketUrl);
 * client.send("hello");
 * assertEquals(await client.next(), "hello");
 * assertEquals(await client.close(), { code: 1000, reason: "done" });
 * ```
 */
export class TestSocket implements AsyncDisposable {
  readonly socket: WebSocket;
  readonly #frames: Frame[] = [];
  readonly #opened: Promise<true>;
  readonly #closed: Promise<Closed>;
  #close: Closed | undefined;
  /** Wakes those who wait for a frame. */
  #wake: PromiseWithResolvers<void> = Promise.withResolvers();

  constructor(url: string, { protocols, headers }: SocketOpening = {}) {
    this.socket = headers === undefined
      ? new WebSocket(url, protocols)
      : new WebSocket(url, { protocols, headers } as unknown as string[]);
    this.socket.binaryType = "arraybuffer";
    this.#opened = new Promise((resolve) => this.socket.addEventListener("open", () => resolve(true), { once: true }));
    this.#closed = new Promise((resolve) =>
      this.socket.addEventListener("close", ({ code, reason }) => {
        resolve(this.#close = { code, reason });
        this.#wake.resolve();
      }, { once: true })
    );
    this.socket.addEventListener("message", ({ data }) => {
      this.#frames.push(data);
      this.#wake.resolve();
      this.#wake = Promise.withResolvers();
    });
  }

  /** Resolves once the socket is open; rejects, with the close code, where it closes before that. */
  async open(): Promise<this> {
    const first = await within("a socket opens", Promise.race([this.#opened, this.#closed]));
    if (first !== true) throw new Error(`The socket closed ${first.code} before it opened: ${first.reason}`);
    return this;
  }

  send(data: string | ArrayBuffer | Uint8Array<ArrayBuffer>): void {
    this.socket.send(data);
  }

  sendJson(frame: unknown): void {
    this.socket.send(JSON.stringify(frame));
  }

  /** The next frame, in the order of arrival; rejects, with the close code, where the socket closes before one comes. */
  async next(): Promise<Frame> {
    await within("a frame comes", this.#frameOrClose());
    const frame = this.#frames.shift();
    if (frame !== undefined) return frame;
    throw new Error(`The socket closed ${this.#close?.code} before a frame came: ${this.#close?.reason}`);
  }

  /** The next frame, as the JSON object that it must be. */
  async nextJson(): Promise<Record<string, unknown>> {
    const frame = await this.next();
    if (typeof frame !== "string") throw new Error(`Expected JSON, got ${frame.byteLength} bytes`);
    return JSON.parse(frame);
  }

  /** The next JSON frame of that `type`; those before it are dropped. */
  async nextOfType(type: string): Promise<Record<string, unknown>> {
    for (;;) {
      const frame = await this.nextJson();
      if (frame.type === type) return frame;
    }
  }

  /** Frames that have come and were not taken. */
  get waiting(): readonly Frame[] {
    return this.#frames;
  }

  /** Resolves when the socket has closed, however it did. */
  get closed(): Promise<Closed> {
    return within("a socket closes", this.#closed);
  }

  /** Closes the socket and waits for the server's answer. */
  close(code = 1000, reason = "done"): Promise<Closed> {
    this.socket.close(code, reason);
    return this.closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #frameOrClose(): Promise<void> {
    while (this.#frames.length === 0 && this.#close === undefined) await this.#wake.promise;
  }
}

/** A client that is open. */
export function openSocket(url: string, opening?: SocketOpening): Promise<TestSocket> {
  return new TestSocket(url, opening).open();
}
