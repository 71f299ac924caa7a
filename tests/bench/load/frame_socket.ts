import { concat } from "@std/bytes/concat";

const CONTINUATION = 0;
const TEXT = 1;
const BINARY = 2;
const CLOSE = 8;
const PING = 9;

/** Hears of each data frame as the bytes from `start` to `end` of a buffer that is used again after the call. */
export type OnFrame = (buffer: Uint8Array, start: number, end: number) => void;

/**
 * A WebSocket client of few cycles (RFC 6455): it shows the bytes of a frame where they were read and makes no string, no
 * event and no promise of them, so that a load client in one process can keep a server busy.
 */
export class FrameSocket {
  readonly #connection: Deno.TcpConn;
  #buffer = new Uint8Array(8 * 1024);
  #filled = 0;
  #pending: Uint8Array[] = [];
  #isWriting = false;
  #isClosing = false;

  private constructor(connection: Deno.TcpConn) {
    this.#connection = connection;
  }

  /** Opens a `ws://` URL. Rejects where the answer is not 101. */
  static async open(url: string): Promise<FrameSocket> {
    const { hostname, port, pathname, search, host } = new URL(url);
    const connection = await Deno.connect({ hostname, port: Number(port) });
    connection.setNoDelay(true);
    const socket = new FrameSocket(connection);
    socket.#write(encoder.encode(
      `GET ${pathname}${search} HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    ));
    await socket.#readHandshake();
    return socket;
  }

  /** Sends a text frame. */
  send(text: string): void {
    this.#write(encodeFrame(TEXT, encoder.encode(text)));
  }

  /** Sends a binary frame. */
  sendBinary(bytes: Uint8Array): void {
    this.#write(encodeFrame(BINARY, bytes));
  }

  /** Reads until the connection ends: resolves where it was `close` that ended it, rejects otherwise. */
  async readFrames(onFrame: OnFrame): Promise<void> {
    for (;;) {
      this.#takeFrames(onFrame);
      if (this.#filled === this.#buffer.length) this.#grow();
      const count = await this.#connection.read(this.#buffer.subarray(this.#filled)).catch((error) => {
        if (this.#isClosing) return null;
        throw error;
      });
      if (count === null) {
        if (this.#isClosing) return;
        throw new Error("The server cut the connection");
      }
      this.#filled += count;
    }
  }

  /** Says goodbye and cuts the connection. */
  close(): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    this.#connection.write(encodeFrame(CLOSE, new Uint8Array([0x03, 0xe8])))
      .catch(() => {}) // The other side may have gone first.
      .then(() => this.#connection.close());
  }

  async #readHandshake(): Promise<void> {
    for (;;) {
      const head = decoder.decode(this.#buffer.subarray(0, this.#filled));
      const end = head.indexOf("\r\n\r\n");
      if (end !== -1) {
        if (!head.startsWith("HTTP/1.1 101")) throw new Error(`The server answered ${head.split("\r\n", 1)[0]}`);
        this.#buffer.copyWithin(0, end + 4, this.#filled);
        this.#filled -= end + 4;
        return;
      }
      const count = await this.#connection.read(this.#buffer.subarray(this.#filled));
      if (count === null) throw new Error("The server cut the connection during the handshake");
      this.#filled += count;
    }
  }

  /** Shows every whole frame in the buffer, and moves what is left of the last to its beginning. */
  #takeFrames(onFrame: OnFrame): void {
    const buffer = this.#buffer.subarray(0, this.#filled);
    let at = 0;
    while (at + 2 <= buffer.length) {
      const [opcode, length] = [buffer[at]! & 0x0f, buffer[at + 1]! & 0x7f];
      const header = length === 126 ? 4 : length === 127 ? 10 : 2;
      if (at + header > buffer.length) break;
      const start = at + header;
      const end = start + payloadLength(buffer, at, length);
      if (end > buffer.length) break;
      if (opcode === TEXT || opcode === BINARY) {
        if ((buffer[at]! & 0x80) === 0) throw new Error("The server sent a fragment, which this client does not take");
        onFrame(buffer, start, end);
      } else if (opcode === PING) this.#write(encodeFrame(0x0a, buffer.slice(start, end)));
      else if (opcode === CLOSE && !this.#isClosing) {
        throw new Error(`The server closed the connection: ${decoder.decode(buffer.subarray(start + 2, end))}`);
      } else if (opcode === CONTINUATION) {
        throw new Error("The server sent a fragment, which this client does not take");
      }
      at = end;
    }
    this.#buffer.copyWithin(0, at, this.#filled);
    this.#filled -= at;
  }

  #grow(): void {
    const larger = new Uint8Array(this.#buffer.length * 4);
    larger.set(this.#buffer.subarray(0, this.#filled));
    this.#buffer = larger;
  }

  /** Writes in order; what is sent during a write goes together in the next. */
  #write(bytes: Uint8Array): void {
    this.#pending.push(bytes);
    if (!this.#isWriting) void this.#flush();
  }

  async #flush(): Promise<void> {
    this.#isWriting = true;
    try {
      while (this.#pending.length > 0) {
        let bytes = this.#pending.length === 1 ? this.#pending[0]! : concat(this.#pending);
        this.#pending = [];
        while (bytes.length > 0) bytes = bytes.subarray(await this.#connection.write(bytes));
      }
    } catch {
      // The connection has ended: whoever reads it hears of that.
    } finally {
      this.#isWriting = false; // In the turn in which nothing was left: what comes after it begins anew.
    }
  }
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

function payloadLength(buffer: Uint8Array, at: number, length: number): number {
  if (length < 126) return length;
  const view = new DataView(buffer.buffer, buffer.byteOffset);
  return length === 126 ? view.getUint16(at + 2) : Number(view.getBigUint64(at + 2));
}

/** A client's frame must be masked; a mask of zeros is one, and leaves the payload as it is. */
function encodeFrame(opcode: number, payload: Uint8Array): Uint8Array {
  const header = payload.length < 126
    ? [0x80 | opcode, 0x80 | payload.length]
    : [0x80 | opcode, 0x80 | 126, payload.length >> 8, payload.length & 0xff];
  if (payload.length > 0xffff) {
    throw new RangeError(`Cannot send ${payload.length} bytes: a frame here has up to 65,535`);
  }
  const frame = new Uint8Array(header.length + 4 + payload.length);
  frame.set(header);
  frame.set(payload, header.length + 4);
  return frame;
}
