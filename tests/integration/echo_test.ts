import { assert, assertEquals, assertMatch } from "@std/assert";
import fc from "fast-check";
import Client from "ws";
import { CLOSE_CODES } from "../../shared/protocol/codes.ts";
import { EchoConnectionFrame } from "../../shared/protocol/connection_frames.ts";
import { claimsOf, forge, makeKey, sign, USER_ID } from "../auth/tokens.ts";
import { startFunction } from "../deploy/start_function.ts";
import type { ServerProcess } from "../support/start_server_process.ts";
import { HOSTED_DENO } from "../support/deno_versions.ts";
import { eventually } from "../support/eventually.ts";
import { RawSocket } from "../support/raw_socket.ts";
import { type Frame, openSocket } from "../support/socket.ts";

const VERSIONS = [Deno.version.deno, HOSTED_DENO];
const SUPABASE_URL = "http://127.0.0.1:9";
const MIB = 1024 * 1024;
const root = new URL("../../", import.meta.url);
const key = await makeKey("ES256", "echo");

/** `functions/echo` in a process of its own, on a project whose Auth cannot be reached. */
function startEcho(version: string, env: Record<string, string> = {}): Promise<ServerProcess> {
  const known = {
    SUPABASE_URL,
    SUPABASE_ANON_KEY: "sb_publishable_echo",
    SUPABASE_JWKS: JSON.stringify({ keys: [key.publicJwk] }),
    SB_REGION: "eu-central-1",
  };
  return startFunction({ root }, "functions/echo/index.ts", { ...known, ...env }, version);
}

/** Text of so many bytes whose characters have one to four of them, the same for the same length. */
function textOf(bytes: number): string {
  const text = "aé漢🦊".repeat(Math.floor(bytes / 10));
  return text + "x".repeat(bytes - new TextEncoder().encode(text).length);
}

function bytesOf(length: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length }, (_, i) => (i * 31) % 256);
}

function assertSame(actual: Frame, expected: string | Uint8Array, what: string): void {
  if (typeof actual === "string" || typeof expected === "string") return assert(actual === expected, what);
  const bytes = new Uint8Array(actual);
  assert(bytes.length === expected.length && bytes.every((byte, i) => byte === expected[i]), what);
}

Deno.test("echo sends text and binary back byte for byte, up to the frame limit, on each Deno", async () => {
  for (const version of VERSIONS) {
    await using echo = await startEcho(version, { BYTES_PER_SECOND: "1e9" });
    await using client = await openSocket(`ws://${echo.host}/echo?plain`);
    for (const length of [0, 1, 125, 126, 65_535, 65_536, MIB]) {
      for (const frame of [textOf(length), "x".repeat(length), bytesOf(length)]) {
        client.send(frame);
        const what = `${typeof frame} of ${length} bytes on ${version}`;
        assertSame(await client.next(), frame, what);
      }
    }
    for (const frame of [textOf(MIB + 1), bytesOf(MIB + 1)]) {
      const tooLarge = await openSocket(`ws://${echo.host}/echo?plain`);
      tooLarge.send(frame);
      assertEquals((await tooLarge.closed).code, 1009, version);
      assertEquals(tooLarge.waiting, []);
    }
    client.send("still here");
    assertEquals(await client.next(), "still here");
  }
});

for (const version of VERSIONS) {
  Deno.test(`echo on Deno ${version}`, async (test) => {
    await using echo = await startEcho(version);
    const url = `ws://${echo.host}/echo`;

    await test.step("greets first with isolate, age, lifetime, region and limits", async () => {
      await using client = await openSocket(url);
      client.send("after the greeting");
      const frame = await client.nextJson();
      assertEquals(EchoConnectionFrame.safeParse(frame).success, true);
      const { isolate, age_ms, lifetime_ms, ...rest } = EchoConnectionFrame.parse(frame);
      assertEquals(rest, {
        type: "connection",
        message: "connected",
        region: "eu-central-1",
        limits: { max_frame_bytes: MIB, messages_per_second: 100, bytes_per_second: MIB },
      });
      assertMatch(isolate, /^[0-9a-f]{16}$/);
      assert(age_ms >= 0 && Math.abs(age_ms + lifetime_ms - 120_000) <= 2, `${age_ms} and ${lifetime_ms}`);
      assertEquals(await client.next(), "after the greeting");
    });

    await test.step("leaves the greeting out for ?plain, and answers with the date for ?time", async () => {
      await using plain = await openSocket(`${url}?plain`);
      plain.send("x");
      assertEquals(await plain.next(), "x");
      await using time = await openSocket(`${url}?plain&time`);
      for (const frame of ["what time is it?", new Uint8Array(3)]) {
        time.send(frame);
        const date = await time.next() as string;
        assert(Math.abs(Date.parse(date) - Date.now()) < 10_000, date);
        assertEquals(date, new Date(date).toString());
      }
    });

    await test.step("names the user of a token, wherever it stands", async () => {
      const claims = claimsOf(SUPABASE_URL, Date.now());
      const token = await sign(key, claims);
      const openings: [string, Parameters<typeof openSocket>[1]][] = [
        [`?jwt=${token}`, {}],
        [`?token=${token}`, {}],
        ["", { protocols: `jwt-${token}` }],
        ["", { headers: { Authorization: `Bearer ${token}` } }],
      ];
      for (const [query, opening] of openings) {
        await using client = await openSocket(url + query, opening);
        const { user_id, name, expires_at } = await client.nextJson();
        const expected = [USER_ID, "Ada Lovelace", new Date((claims.exp as number) * 1000).toISOString()];
        assertEquals([user_id, name, expires_at], expected);
        client.send("x");
        assertEquals(await client.next(), "x");
      }
    });

    await test.step("refuses a bad token, ends with a short one, and shows neither", async () => {
      const bad = forge({ alg: "ES256", kid: "echo" }, claimsOf(SUPABASE_URL, Date.now()));
      const client = await openSocket(`${url}?jwt=${bad}`);
      assertEquals((await client.nextJson()).code, "unauthorized");
      assertEquals((await client.closed).code, 4401);
      const expired = await sign(key, claimsOf(SUPABASE_URL, Date.now() - 7_200_000));
      const late = await openSocket(`${url}?jwt=${expired}`);
      assertEquals((await late.nextJson()).code, "token_expired");
      assertEquals((await late.closed).code, 4401);

      const brief = await sign(key, claimsOf(SUPABASE_URL, Date.now(), { exp: Math.ceil(Date.now() / 1000) + 1 }));
      const ending = await openSocket(`${url}?jwt=${brief}`);
      assertEquals((await ending.nextJson()).type, "connection");
      assertEquals((await ending.nextJson()).type, "token_expiring");
      assertEquals((await ending.nextJson()).code, "token_expired");
      assertEquals((await ending.closed).code, 4401);
      for (const token of [bad, expired, brief]) assertEquals(echo.printed.join("\n").includes(token), false);
    });

    await test.step("answers plain requests, preflights and npm's ws", async () => {
      const plain = await fetch(`http://${echo.host}/echo?jwt=s3cret`);
      const problem = await plain.json();
      assertEquals([plain.status, problem.code, problem.connect], [426, "upgrade_required", url]);
      const health = await (await fetch(`http://${echo.host}/echo/health`)).json();
      assertEquals([health.status, health.state, health.region], ["ok", "serving", "eu-central-1"]);
      const preflight = await fetch(`http://${echo.host}/echo`, { method: "OPTIONS" });
      assertEquals(preflight.status, 204);

      const client = new Client(`${url}?plain`, ["one", "two"]);
      await new Promise((resolve, reject) => client.on("open", resolve).on("error", reject));
      const answer = new Promise((resolve) => client.on("message", (data: Uint8Array) => resolve(data.toString())));
      client.send("x");
      assertEquals([client.protocol, await answer], ["one", "x"]);
      const closed = new Promise((resolve) => client.on("close", resolve));
      client.close();
      await closed;
    });

    const { printed } = echo;
    assertEquals(
      printed.map((line) => JSON.parse(line)).map(({ level, event, code }) => [level, event, code]),
      [["info", "connection.refused", "unauthorized"], ["info", "connection.refused", "token_expired"]],
      "nothing was thrown",
    );
    assertEquals(printed.filter((line) => /eyJ[\w-]+\./.test(line)), [], "no token is logged");
  });

  Deno.test(`10,000 random frames at echo on Deno ${version} are answered or refused; it lives on, its memory flat`, async () => {
    await using echo = await startEcho(version, {
      MAX_FRAME_BYTES: `${LIMIT}`,
      MESSAGES_PER_SECOND: "1e6",
      BYTES_PER_SECOND: "1e9",
      MAX_BUFFERED_BYTES: "100000000",
    });
    const frames = fc.sample(randomFrame, { numRuns: 10_000, seed: 2 });
    const outcomes: Record<string, number> = {};
    const throwAll = async (from: number, to: number) => {
      // Several at a time, as one that is refused waits a while for its client to be quiet.
      const lanes = Array.from({ length: 8 }, (_, lane) => frames.slice(from, to).filter((_, i) => i % 8 === lane));
      await Promise.all(lanes.map((lane) => throwFrames(echo.host, lane, outcomes)));
    };
    await throwAll(0, 3_000);
    const before = await residentBytes(echo.pid);
    await throwAll(3_000, 10_000);
    const health = await eventually("no connection is left", async () => {
      const health = await (await fetch(`http://${echo.host}/echo/health`)).json();
      return health.connections === 0 && health.processes === 0 ? health : undefined;
    });
    assertEquals(Object.values(outcomes).reduce((a, b) => a + b), 10_000);
    assert(outcomes.echoed! > 5_000 && outcomes.ended! > 500 && outcomes.closed! > 50, JSON.stringify(outcomes));
    assertEquals(health.counters.refused, { too_large: outcomes.closed });
    const grown = await residentBytes(echo.pid) - before;
    assert(grown < 30 * MIB, `memory has grown by ${(grown / MIB).toFixed(1)} MiB`);
    assertEquals(echo.printed, []);
  });
}

const LIMIT = 2_000;

/** A frame, and what it must lead to. */
interface RandomFrame {
  readonly expect: "echoed" | "ponged" | "closed" | "ended";
  readonly opcode: number;
  readonly payload: Uint8Array;
  readonly faults?: Parameters<RawSocket["sendFrame"]>[2];
}

const bytes = (maxLength: number, minLength = 0) => fc.uint8Array({ minLength, maxLength, size: "max" });
const text = fc.string({ unit: "binary", maxLength: 400, size: "max" })
  .map((text) => new TextEncoder().encode(text)).filter(({ length }) => length <= LIMIT);

const randomFrame: fc.Arbitrary<RandomFrame> = fc.oneof(
  { weight: 50, arbitrary: text.map((payload) => ({ expect: "echoed" as const, opcode: 1, payload })) },
  { weight: 40, arbitrary: bytes(LIMIT).map((payload) => ({ expect: "echoed" as const, opcode: 2, payload })) },
  { weight: 5, arbitrary: bytes(125).map((payload) => ({ expect: "ponged" as const, opcode: 9, payload })) },
  {
    weight: 1,
    arbitrary: bytes(LIMIT * 2, LIMIT + 1).map((payload) => ({ expect: "closed" as const, opcode: 2, payload })),
  },
  // Reserved bits, opcodes that do not exist, text that is no UTF-8, control frames too long or in pieces, bad close frames,
  // lengths beyond what any server takes.
  {
    weight: 10,
    arbitrary: fc.oneof(
      fc.record({
        opcode: fc.constantFrom(1, 2, 9),
        payload: bytes(50),
        faults: fc.record({ reserved: fc.integer({ min: 1, max: 7 }) }),
      }),
      fc.record({ opcode: fc.constantFrom(3, 4, 5, 6, 7, 11, 12, 13, 14, 15), payload: bytes(50) }),
      fc.record({ opcode: fc.constant(1), payload: bytes(50).map((bytes) => Uint8Array.of(...bytes, 0xff, 0xc0)) }),
      fc.record({ opcode: fc.constantFrom(8, 9), payload: bytes(300, 126) }),
      fc.record({ opcode: fc.constantFrom(9, 10), payload: bytes(10), faults: fc.constant({ fin: false }) }),
      fc.record({ opcode: fc.constant(8), payload: bytes(125) }),
      fc.record({ opcode: fc.constantFrom(1, 2), payload: bytes(10), faults: fc.constant({ length: 2 ** 40 }) }),
    ).map((frame) => ({ ...frame, expect: "ended" as const })),
  },
);

/** Sends frames over one connection, over the next where it ended, and counts what came of each. */
async function throwFrames(
  host: string,
  frames: readonly RandomFrame[],
  outcomes: Record<string, number>,
): Promise<void> {
  let raw: RawSocket | undefined;
  for (const frame of frames) {
    const { expect, opcode, payload, faults } = frame;
    if (raw === undefined) {
      raw = await RawSocket.connect(host);
      assertEquals((await raw.handshake({ path: "/echo?plain" })).status, 101);
    }
    await raw.sendFrame(opcode, payload, faults);
    if (expect === "echoed" || expect === "ponged") {
      const answer = await raw.nextFrame();
      const what = `${JSON.stringify(frame)} was answered with ${JSON.stringify(answer)}`;
      assertEquals(answer?.opcode, expect === "echoed" ? opcode : 10, what);
      assertSame(answer!.payload.buffer as ArrayBuffer, payload, what);
    } else {
      const close = await raw.nextClose();
      assertEquals(close?.code, expect === "closed" ? 1009 : close?.code);
      assert(close === undefined || expect === "ended" || close.code in CLOSE_CODES);
      raw[Symbol.dispose]();
      raw = undefined;
    }
    outcomes[expect] = (outcomes[expect] ?? 0) + 1;
  }
  raw?.[Symbol.dispose]();
}

/** The memory of a process, as Linux counts it; 0 elsewhere. */
async function residentBytes(pid: number): Promise<number> {
  if (Deno.build.os !== "linux") return 0;
  const status = await Deno.readTextFile(`/proc/${pid}/status`);
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) * 1024;
}
