import { Buffer } from "node:buffer";
import { within } from "./within.ts";

/** A frame on the wire (RFC 6455 section 5.2). */
export interface RawFrame {
  readonly fin: boolean;
  /** 0 continuation, 1 text, 2 binary, 8 close, 9 ping, 10 pong. */
  readonly opcode: number;
  readonly payload: Uint8Array;
}

/** What may be wrong with a frame that is sent. */
export interface FrameFaults {
  readonly fin?: boolean;
  /** The three reserved bits, 0 to 7. */
  readonly reserved?: number;
  readonly masked?: boolean;
  /** The length that the header claims. */
  readonly length?: number;
}

/** The answer to a handshake. */
export interface HandshakeAnswer {
  readonly status: number;
  readonly headers: Headers;
  /** What came with it, where it is no 101. */
  readonly body: string;
}

export const TEXT = 1;
export const BINARY = 2;
export const CLOSE = 8;

const HANDSHAKE = {
  Connection: "Upgrade",
  Upgrade: "websocket",
  "Sec-WebSocket-Version": "13",
  "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
};

/** A client over plain TCP, for handshakes and frames that `WebSocket` does not send, and for one that stops reading. */
export class RawSocket implements Disposable {
  readonly #connection: Deno.TcpConn;
  #received = Buffer.alloc(0);

  private constructor(connection: Deno.TcpConn) {
    this.#connection = connection;
  }

  static async connect(host: string): Promise<RawSocket> {
    const [hostname, port] = host.split(":");
    return new RawSocket(await Deno.connect({ hostname, port: Number(port) }));
  }

  /** Sends the request of a handshake; a header that is undefined is left out. */
  async request(
    { method = "GET", path = "/", headers = {} }: {
      method?: string;
      path?: string;
      headers?: Record<string, string | undefined>;
    } = {},
  ): Promise<void> {
    const { hostname, port } = this.#connection.remoteAddr;
    const lines = Object.entries({ Host: `${hostname}:${port}`, ...HANDSHAKE, ...headers })
      .flatMap(([name, value]) => value === undefined ? [] : [`${name}: ${value}`]);
    await this.write(new TextEncoder().encode([`${method} ${path} HTTP/1.1`, ...lines, "", ""].join("\r\n")));
  }

  /** Reads the answer to the handshake. */
  async answer(): Promise<HandshakeAnswer> {
    await this.#readUntil(() => this.#received.includes("\r\n\r\n"));
    const end = this.#received.indexOf("\r\n\r\n");
    const [statusLine = "", ...lines] = this.#received.subarray(0, end).toString().split("\r\n");
    this.#received = this.#received.subarray(end + 4);
    const headers = new Headers(
      lines.map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1).trim()]),
    );
    const status = Number(statusLine.split(" ")[1]);
    return { status, headers, body: status === 101 ? "" : await this.#readBody(headers) };
  }

  /** Sends the request of a handshake and reads its answer. */
  async handshake(request: Parameters<RawSocket["request"]>[0] = {}): Promise<HandshakeAnswer> {
    await this.request(request);
    return await this.answer();
  }

  async sendFrame(opcode: number, payload: string | Uint8Array = "", faults: FrameFaults = {}): Promise<void> {
    await this.write(encodeFrame(opcode, payload, faults));
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let sent = 0; sent < bytes.length;) sent += await this.#connection.write(bytes.subarray(sent));
  }

  /** Sends no more, and stays: `shutdown(2)`. */
  async closeWrite(): Promise<void> {
    await this.#connection.closeWrite();
  }

  /** Reads so many bytes at most, whatever they are, as a client does that hardly reads. */
  async readSome(bytes: number): Promise<void> {
    await this.#connection.read(new Uint8Array(bytes));
  }

  /** The next frame that is no ping; undefined once the server has closed the connection. */
  async nextFrame(): Promise<RawFrame | undefined> {
    for (;;) {
      const frame = await this.#nextFrame();
      if (frame?.opcode !== 9) return frame;
    }
  }

  /** The code and the reason of the close frame that comes next, frames before it left aside; undefined without one. */
  async nextClose(): Promise<{ code: number; reason: string } | undefined> {
    for (;;) {
      const frame = await this.nextFrame();
      if (frame === undefined) return undefined;
      if (frame.opcode !== CLOSE) continue;
      const payload = Buffer.from(frame.payload);
      return payload.length < 2
        ? { code: 1005, reason: "" }
        : { code: payload.readUInt16BE(0), reason: payload.subarray(2).toString() };
    }
  }

  /** Ends the connection without a word, as a killed process does. May be called twice. */
  [Symbol.dispose](): void {
    try {
      this.#connection.close();
    } catch {
      // It is closed already.
    }
  }

  async #nextFrame(): Promise<RawFrame | undefined> {
    if (!await this.#readUntil(() => this.#received.length >= 2)) return undefined;
    const [first, second] = [this.#received[0]!, this.#received[1]!];
    const short = second & 0x7f;
    const headerLength = short === 126 ? 4 : short === 127 ? 10 : 2;
    if (!await this.#readUntil(() => this.#received.length >= headerLength)) return undefined;
    const length = short === 126
      ? this.#received.readUInt16BE(2)
      : short === 127
      ? Number(this.#received.readBigUInt64BE(2))
      : short;
    if (!await this.#readUntil(() => this.#received.length >= headerLength + length)) return undefined;
    const payload = new Uint8Array(this.#received.subarray(headerLength, headerLength + length));
    this.#received = this.#received.subarray(headerLength + length);
    return { fin: (first & 0x80) !== 0, opcode: first & 0x0f, payload };
  }

  async #readBody(headers: Headers): Promise<string> {
    const length = Number(headers.get("content-length") ?? 0);
    await this.#readUntil(() => this.#received.length >= length);
    return this.#received.subarray(0, length).toString();
  }

  async #readUntil(condition: () => boolean): Promise<boolean> {
    const chunk = new Uint8Array(65_536);
    while (!condition()) {
      const read = await within("the server sends", this.#connection.read(chunk).catch(() => null));
      if (read === null) return false;
      this.#received = Buffer.concat([this.#received, chunk.subarray(0, read)]);
    }
    return true;
  }
}

/** A frame as bytes. A client masks what it sends; the mask here is all zeros. */
export function encodeFrame(opcode: number, payload: string | Uint8Array = "", faults: FrameFaults = {}): Uint8Array {
  const { fin = true, reserved = 0, masked = true } = faults;
  const bytes = Buffer.from(payload);
  const length = faults.length ?? bytes.length;
  const size = Buffer.alloc(length < 126 ? 1 : length < 65_536 ? 3 : 9);
  if (length < 126) size[0] = length;
  else if (length < 65_536) {
    size[0] = 126;
    size.writeUInt16BE(length, 1);
  } else {
    size[0] = 127;
    size.writeBigUInt64BE(BigInt(length), 1);
  }
  if (masked) size[0]! |= 0x80;
  const first = (fin ? 0x80 : 0) | (reserved << 4) | opcode;
  return Buffer.concat([Buffer.from([first]), size, Buffer.alloc(masked ? 4 : 0), bytes]);
}
