import { Buffer } from "node:buffer";
import { eventually } from "../support/eventually.ts";
import { CLOSE } from "../support/raw_socket.ts";
import { serve, type Served } from "../support/serve.ts";
import type { Closed, Frame } from "../support/socket.ts";
import { within } from "../support/within.ts";

/** A socket that the relay has dialled, as the upstream sees it. */
export interface Dialled {
  readonly socket: WebSocket;
  /** Path and query. */
  readonly address: string;
  readonly protocols: string | null;
  readonly frames: readonly Frame[];
  /** How it closed. */
  readonly closed: Promise<Closed>;
  /** Waits until so many frames have come in all. */
  received(count: number): Promise<readonly Frame[]>;
}

/** A WebSocket server in an upstream's place. */
export interface StandInUpstream extends Served {
  readonly dialled: readonly Dialled[];
  /** The next socket that no call has given yet. */
  next(): Promise<Dialled>;
}

/** What a stand-in does. */
export interface StandInOptions {
  /** Called when a socket opens. */
  readonly onOpen?: (socket: WebSocket) => void;
  /** Called with every frame; default: sends it back. */
  readonly onFrame?: (data: Frame, socket: WebSocket) => void;
  /** Awaited before a handshake is answered. */
  readonly before?: Promise<unknown>;
}

const echo = (data: Frame, socket: WebSocket) => socket.send(data);

/** Starts an upstream that answers with the first subprotocol it is offered. */
export function startStandIn({ onOpen, onFrame = echo, before }: StandInOptions = {}): StandInUpstream {
  const dialled: Dialled[] = [];
  let given = 0;
  const served = serve(async (request) => {
    await before;
    const protocols = request.headers.get("sec-websocket-protocol");
    const { pathname, search } = new URL(request.url);
    const { socket, response } = Deno.upgradeWebSocket(request, {
      idleTimeout: 0,
      ...protocols && { protocol: protocols.split(", ")[0] },
    });
    const frames: Frame[] = [];
    const closed = Promise.withResolvers<Closed>();
    socket.binaryType = "arraybuffer";
    socket.onopen = () => onOpen?.(socket);
    socket.onmessage = ({ data }) => {
      frames.push(data);
      onFrame(data, socket);
    };
    socket.onclose = ({ code, reason }) => closed.resolve({ code, reason });
    dialled.push({
      socket,
      address: pathname + search,
      protocols,
      frames,
      get closed() {
        return within("the upstream's socket closes", closed.promise);
      },
      received: (count) => eventually(`${count} frames reach the upstream`, () => frames.length >= count && frames),
    });
    return response;
  });
  return {
    ...served,
    dialled,
    next: () => eventually("the upstream is dialled", () => dialled[given] && dialled[given++]),
  };
}

/** A server over plain TCP, for what no WebSocket server does. */
export interface RawUpstream extends Disposable {
  readonly socketUrl: string;
  readonly connections: readonly Deno.TcpConn[];
}

/** Listens, and hands each connection to `serveConnection` once its request has been read. */
export function startRawUpstream(
  serveConnection: (connection: Deno.TcpConn, request: string) => void | Promise<void> = () => {},
): RawUpstream {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const connections: Deno.TcpConn[] = [];
  let isDisposed = false;
  const accept = async () => {
    for await (const connection of listener) {
      connections.push(connection);
      const buffer = new Uint8Array(8_192);
      connection.read(buffer).then(
        (read) => serveConnection(connection, new TextDecoder().decode(buffer.subarray(0, read ?? 0))),
        () => {}, // The relay gave up before it had sent its request.
      ).catch((error) => {
        if (!isDisposed) throw error;
      });
    }
  };
  accept();
  return {
    socketUrl: `ws://127.0.0.1:${listener.addr.port}`,
    connections,
    [Symbol.dispose]() {
      isDisposed = true;
      listener.close();
      for (const connection of connections) {
        try {
          connection.close();
        } catch {
          // The test has closed it.
        }
      }
    },
  };
}

/** Answers a handshake with a status and a body that must not reach anybody. */
export function refuseHandshake(status: number): (connection: Deno.TcpConn) => Promise<void> {
  return async (connection) => {
    const body = "the upstream's own words";
    await writeText(connection, `HTTP/1.1 ${status} No\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
  };
}

/** Accepts a handshake and leaves the rest to the test. */
export async function acceptHandshake(connection: Deno.TcpConn, request: string): Promise<void> {
  const key = /^sec-websocket-key: *(\S+)/im.exec(request)?.[1];
  const digest = await crypto.subtle.digest(
    "SHA-1",
    new TextEncoder().encode(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`),
  );
  const accept = btoa(String.fromCharCode(...new Uint8Array(digest)));
  await writeText(
    connection,
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
  );
}

/** A frame of a client, in the clear. */
export interface ClientFrame {
  readonly opcode: number;
  readonly payload: Uint8Array;
}

/** The frames that a client sends until it says goodbye (that frame is the last) or its connection ends. */
export async function framesUntilEnd(connection: Deno.TcpConn): Promise<ClientFrame[]> {
  const frames: ClientFrame[] = [];
  const chunk = new Uint8Array(65_536);
  let bytes = Buffer.alloc(0);
  while (frames.at(-1)?.opcode !== CLOSE) {
    const read = await within("the connection ends", connection.read(chunk).catch(() => null));
    if (read === null) break;
    bytes = Buffer.concat([bytes, chunk.subarray(0, read)]);
    for (let end = frameEnd(bytes); end !== undefined; end = frameEnd(bytes)) {
      frames.push(decodeFrame(bytes.subarray(0, end)));
      bytes = bytes.subarray(end);
    }
  }
  return frames;
}

/** Where the first frame ends; `undefined` while it is not complete. */
function frameEnd(bytes: Buffer): number | undefined {
  if (bytes.length < 2) return undefined;
  const short = bytes[1]! & 0x7f;
  const headerLength = 4 + (short === 126 ? 4 : short === 127 ? 10 : 2);
  if (bytes.length < headerLength) return undefined;
  const length = short === 126 ? bytes.readUInt16BE(2) : short === 127 ? Number(bytes.readBigUInt64BE(2)) : short;
  return bytes.length < headerLength + length ? undefined : headerLength + length;
}

function decodeFrame(frame: Buffer): ClientFrame {
  const short = frame[1]! & 0x7f;
  const maskStart = short === 126 ? 4 : short === 127 ? 10 : 2;
  const payload = Uint8Array.from(frame.subarray(maskStart + 4), (byte, i) => byte ^ frame[maskStart + i % 4]!);
  return { opcode: frame[0]! & 0x0f, payload };
}

/** Writes all of `bytes`. */
export async function writeAll(connection: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
  for (let sent = 0; sent < bytes.length;) sent += await connection.write(bytes.subarray(sent));
}

function writeText(connection: Deno.TcpConn, text: string): Promise<void> {
  return writeAll(connection, new TextEncoder().encode(text));
}
