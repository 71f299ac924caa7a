import { assertEquals } from "@std/assert";
import { BINARY, CLOSE, encodeFrame, type FrameFaults, type RawSocket, TEXT } from "../support/raw_socket.ts";
import { type Attack, countOutcomes } from "./attack.ts";
import { FUNCTIONS, type Target } from "./target.ts";

const MIB = 1024 * 1024;
const PING = 9;
const ATTACKER = 66;
const FIRST_OF_MANY = 10_000;

type Frame = readonly [opcode: number, payload: string | Uint8Array, faults?: FrameFaults];

const encoder = new TextEncoder();

/** Sequences of frames that RFC 6455 forbids. Each must end the connection that they come over, and nothing else. */
const FORBIDDEN: Readonly<Record<string, readonly Frame[][]>> = {
  "reserved bits": [1, 2, 3, 4, 5, 6, 7].map((reserved) => [[TEXT, "x", { reserved }]]),
  "opcodes that do not exist": [3, 4, 5, 6, 7, 11, 12, 13, 14, 15].map((opcode) => [[opcode, "x"]]),
  "text that is no UTF-8": [
    [[TEXT, Uint8Array.of(0xff, 0xc0)]],
    [[TEXT, Uint8Array.of(0xed, 0xa0, 0x80)]], // Half a surrogate pair.
    [[TEXT, Uint8Array.of(0xf4, 0x90, 0x80, 0x80)]], // Beyond the last plane.
    [[TEXT, Uint8Array.of(0xc0, 0xaf)]], // A slash, longer than it needs to be.
    [[TEXT, Uint8Array.of(0xe2), { fin: false }], [0, "A"]],
  ],
  "fragments out of order": [
    [[0, "x"]],
    [[TEXT, "x", { fin: false }], [TEXT, "y"]],
  ],
  "control frames that are too long or in pieces": [
    [[PING, "x".repeat(126)]],
    [[CLOSE, "x".repeat(126)]],
    [[PING, "x", { fin: false }]],
    [[CLOSE, Uint8Array.of(3, 232), { fin: false }]],
  ],
  "close frames that are not valid": [
    [[CLOSE, Uint8Array.of(3)]],
    [[CLOSE, Uint8Array.of(0, 0)]],
    [[CLOSE, Uint8Array.of(3, 237)]], // 1005
    [[CLOSE, Uint8Array.of(3, 238)]], // 1006
    [[CLOSE, Uint8Array.of(255, 255)]],
    [[CLOSE, Uint8Array.of(3, 232, 0xff)]], // A reason that is no UTF-8.
  ],
  "lengths beyond all bounds": [2 ** 31, 2 ** 32, 2 ** 40, 2 ** 52].map((length) => [[BINARY, "x", { length }]]),
};

/** Attacks on the protocol itself, by a client that writes bytes. */
export const ATTACKS_BY_BYTES: readonly Attack[] = [
  {
    // The first: what it leaves is waited for ten seconds, while the others are made. By many, or he who makes those
    // would have no place left.
    name: "handshakes that break off",
    against: FUNCTIONS,
    tries: 200,
    run: (target, tries) =>
      countOutcomes(tries, async (n) => {
        using client = await target.dial();
        await client.request({ path: await target.path(FIRST_OF_MANY + n) });
        if (n % 2 === 0) await client.answer();
        return "forgotten";
      }),
  },
  ...Object.entries(FORBIDDEN).map(([name, sequences]): Attack => ({
    name,
    against: FUNCTIONS,
    tries: 40,
    run: (target, tries) =>
      countOutcomes(tries, async (n) => {
        using client = await target.connectRaw(ATTACKER);
        for (const frame of sequences[n % sequences.length]!) await client.sendFrame(...frame).catch(() => {});
        const outcome = await endOf(client);
        assertEquals(outcome, "dropped");
        return outcome;
      }),
  })),
  {
    // The runtime reads a frame without a mask, against RFC 6455 section 5.1; the rule protects proxies, not servers.
    name: "frames without a mask",
    against: FUNCTIONS,
    tries: 40,
    run: (target, tries) =>
      countOutcomes(tries, async () => {
        using client = await target.connectRaw(ATTACKER);
        await client.sendFrame(TEXT, "x", { masked: false });
        await client.sendFrame(CLOSE, Uint8Array.of(3, 232), { masked: false });
        await client.nextClose();
        return "read as any other";
      }),
  },
  {
    name: "bytes that are no frames",
    against: FUNCTIONS,
    tries: 60,
    run: (target, tries) =>
      countOutcomes(tries, async () => {
        using client = await target.connectRaw(ATTACKER);
        await client.write(crypto.getRandomValues(new Uint8Array(4_096))).catch(() => {});
        // Some of it may be the beginning of a frame that is waited for.
        const ended = endOf(client).then(() => "dropped");
        ended.catch(() => {}); // Nobody waits for it any more.
        return await Promise.race([ended, pause(300).then(() => "left to itself")]);
      }),
  },
  {
    name: "a frame larger than the limit",
    against: FUNCTIONS,
    tries: 4,
    run: (target, tries) => {
      const frame = encodeFrame(BINARY, new Uint8Array(4 * MIB));
      return countOutcomes(tries, async () => {
        using client = await target.connectRaw(ATTACKER);
        await client.write(frame).catch(() => {});
        const outcome = await endOf(client);
        assertEquals(outcome, "closed 1009");
        return outcome;
      }, 2);
    },
  },
  {
    name: "fragments without an end, of 16 MiB",
    against: FUNCTIONS,
    tries: 2,
    run: (target, tries) => {
      const piece = encodeFrame(0, new Uint8Array(64 * 1024), { fin: false });
      return countOutcomes(tries, async () => {
        using client = await target.connectRaw(ATTACKER);
        await client.sendFrame(BINARY, "x", { fin: false });
        for (let i = 0; i < 256; i++) await client.write(piece);
        return "kept until it goes";
      }, 1);
    },
  },
  {
    name: "half a frame, then silence",
    against: FUNCTIONS,
    tries: 40,
    run: async (target, tries) => {
      const clients: RawSocket[] = [];
      for (let n = 0; n < tries; n++) {
        const client = await target.connectRaw(100 + n);
        await client.sendFrame(BINARY, "half", { length: 60 * MIB });
        clients.push(client);
      }
      assertEquals((await target.health()).state, "serving");
      for (const client of clients) client[Symbol.dispose]();
      return "keeps a connection";
    },
  },
  {
    name: "10,000 pings at once",
    against: FUNCTIONS,
    tries: 1,
    run: (target, tries) => {
      const ping = encodeFrame(PING, "p".repeat(100));
      const pings = repeat(ping, 10_000);
      return countOutcomes(tries, async () => {
        using client = await target.connectRaw(ATTACKER);
        // Pongs that nobody reads hold the server's reading up: so far, and no further, it works for this client.
        const written = client.write(pings).then(() => "answered", () => "dropped");
        return await Promise.race([written, pause(2_000).then(() => "not read any further")]);
      }, 1);
    },
  },
  {
    name: "a byte at a time",
    against: FUNCTIONS,
    tries: 4,
    run: (target, tries) =>
      countOutcomes(tries, async () => {
        using client = await target.connectRaw(ATTACKER);
        for (const byte of encodeFrame(TEXT, `{"type":"ping"}`)) await client.write(Uint8Array.of(byte));
        await client.nextFrame();
        return "answered";
      }),
  },
  {
    name: "handshakes that never end",
    against: FUNCTIONS,
    tries: 200,
    run: async (target, tries) => {
      const clients: RawSocket[] = [];
      for (let n = 0; n < tries; n++) {
        const client = await target.dial();
        await client.write(encoder.encode(`GET /${target.name} HTTP/1.1\r\nHost: ${target.host}\r\nX-Slow: `));
        clients.push(client);
      }
      for (let letter = 0; letter < 10; letter++) {
        for (const client of clients) await client.write(encoder.encode("a")).catch(() => {});
        await pause(20);
      }
      for (const client of clients) client[Symbol.dispose]();
      return "keeps a TCP connection";
    },
  },
  {
    name: "handshakes that are not valid",
    against: FUNCTIONS,
    tries: 60,
    run: (target, tries) =>
      countOutcomes(tries, async (n) => {
        using client = await target.dial();
        await client.write(encoder.encode(handshakes(target)[n % handshakes(target).length]!)).catch(() => {});
        const { status } = await client.answer();
        return status === 101 || Number.isNaN(status) ? "dropped" : `answered ${status}`;
      }),
  },
  {
    name: "requests and garbage in one pipe",
    against: FUNCTIONS,
    tries: 20,
    run: (target, tries) =>
      countOutcomes(tries, async () => {
        using client = await target.dial();
        const request = `GET /${target.name}/health HTTP/1.1\r\nHost: ${target.host}\r\n\r\n`;
        await client.write(encoder.encode(request.repeat(50) + "\0\xff garbage\r\n\r\n" + request)).catch(() => {});
        for (let i = 0; i < 50; i++) assertEquals((await client.answer()).status, 200);
        const { status } = await client.answer();
        return status === 400 ? "answered 400" : "dropped";
      }),
  },
];

/** Requests that are no handshakes, or bad ones. */
function handshakes({ name, host }: Target): string[] {
  const upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
  const key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
  const version = "Sec-WebSocket-Version: 13\r\n";
  const get = `GET /${name} HTTP/1.1\r\nHost: ${host}\r\n`;
  return [
    `${get}${upgrade}${version}\r\n`,
    `${get}${upgrade}${key}\r\n`,
    `${get}${upgrade}${key}Sec-WebSocket-Version: 99\r\n\r\n`,
    `${get}Upgrade: websocket\r\n${key}${version}\r\n`,
    `POST /${name} HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 0\r\n${upgrade}${key}${version}\r\n`,
    `GET /${name} HTTP/1.0\r\n${upgrade}${key}${version}\r\n`,
    `GET /${name} HTTP/9.9\r\nHost: ${host}\r\n\r\n`,
    `GET http://%%%/ HTTP/1.1\r\nHost: ${host}\r\n\r\n`,
    `${get}X-Long: ${"a".repeat(MIB)}\r\n\r\n`,
    `${get}${"X-Many: a\r\n".repeat(5_000)}\r\n`,
    `${get}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\nGARBAGE`,
    "\r\n\r\n\0\0\0\0",
  ];
}

/** How the server ended a connection. */
async function endOf(client: RawSocket): Promise<string> {
  const close = await client.nextClose();
  return close === undefined || close.code === 1002 || close.code === 1007 ? "dropped" : `closed ${close.code}`;
}

function repeat(bytes: Uint8Array, times: number): Uint8Array {
  const all = new Uint8Array(bytes.length * times);
  for (let i = 0; i < times; i++) all.set(bytes, i * bytes.length);
  return all;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
