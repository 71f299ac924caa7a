import { assert, assertEquals, assertFalse } from "@std/assert";
import fc from "fast-check";
import { Log, type LogLevel } from "../../shared/telemetry/log.ts";

interface Line extends Record<string, unknown> {
  readonly level: LogLevel;
  readonly event: string;
}

/** A log whose lines and time are the test's. */
function testLog(level?: LogLevel) {
  const lines: Line[] = [];
  const clock = { now: Date.parse("2026-11-21T12:00:00Z") };
  const log = new Log({ level, write: (_level, line) => lines.push(JSON.parse(line)), now: () => clock.now });
  return { log, lines, clock };
}

Deno.test("a line is JSON with time, level, event and what was bound, in this order", () => {
  const raw: [LogLevel, string][] = [];
  const log = new Log({ write: (level, line) => raw.push([level, line]), now: () => 0 });
  log.bind({ isolate: "42da", function: "chat" });
  log.warn("bus.warning", { message: "two\nlines", time: "not this", n: 3n });
  assertEquals(raw, [[
    "warn",
    '{"time":"1970-01-01T00:00:00.000Z","level":"warn","event":"bus.warning","isolate":"42da","function":"chat",' +
    '"message":"two\\nlines","n":"3"}',
  ]]);
});

Deno.test("lines below the level are not written", () => {
  for (const [level, expected] of [["debug", 4], [undefined, 3], ["warn", 2], ["error", 1]] as const) {
    const { log, lines } = testLog(level);
    for (const each of ["debug", "info", "warn", "error"] as const) log[each]("x");
    assertEquals([lines.length, log.dropped], [expected, 0], level);
  }
});

Deno.test("no 10 s hold more than 80 lines, the next line says how many were dropped, errors come through", () => {
  const { log, lines, clock } = testLog();
  const times: number[] = [];
  for (let ms = 0; ms < 60_000; ms += 20) {
    clock.now += 20;
    const before = lines.length;
    log.info("crowd");
    if (lines.length > before) times.push(clock.now);
  }
  for (const [i, time] of times.entries()) {
    assert((times[i + 80] ?? Infinity) - time > 10_000, `81 lines in 10 s from line ${i}`);
  }
  assertEquals(log.dropped + lines.length, 3_000, "each is written or counted");
  for (let i = 0; i < 5; i++) log.error("failure");
  assertEquals(lines.slice(-5).map(({ event }) => event), Array(5).fill("failure"), "kept free for errors");
  const told = lines.reduce((sum, { dropped = 0 }) => sum + (dropped as number), 0);
  assertEquals(told, log.dropped);
  assertEquals(log.written, { debug: 0, info: lines.length - 5, warn: 0, error: 5 });
});

Deno.test("an error shows its name, message, stack and cause; what JSON cannot hold costs the line no more than itself", () => {
  const { log, lines } = testLog();
  log.error("a", { error: new TypeError("boom", { cause: new Error("why") }) });
  const error = lines[0]!.error as { name: string; message: string; stack: string; cause: { message: string } };
  assertEquals([error.name, error.message, error.cause.message], ["TypeError", "boom", "why"]);
  assert(error.stack.includes("log_test.ts"));
  const circle: Record<string, unknown> = {};
  circle.self = circle;
  log.error("b", circle);
  log.error("c", {
    get x() {
      throw new Error("no");
    },
  }); // deno-fmt-ignore
  assertEquals(lines.slice(1).map(({ event }) => event), ["b", "c"]);
});

Deno.test("texts and lines have an end, and stay JSON", () => {
  const { log, lines } = testLog();
  log.info("long", { text: "x".repeat(100_000) });
  assertEquals((lines[0]!.text as string).length, 2_001);
  log.info("many", Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`k${i}`, "é\n".repeat(500)])));
  assertEquals([lines[1]!.event, JSON.stringify(lines[1]).length < 10_000], ["many", true]);
});

const JWT = "eyJhbGciOiJFUzI1NiIsImtpZCI6IjEifQ.eyJzdWIiOiI5YjJmIn0.c2lnbmF0dXJlLW9mLWEtdG9rZW4";
const SECRETS: { text: string; secret: string; kept?: string }[] = [
  { text: `GET https://x.supabase.co/functions/v1/chat?room=a&jwt=${JWT}&b=1`, secret: JWT, kept: "room=a" },
  { text: "wss://x/relay?token=opaque-token-1&x=2", secret: "opaque-token-1", kept: "x=2" },
  { text: "wss://x/realtime/v1/websocket?apikey=sb_secret_abcdefghij&vsn=2.0.0", secret: "abcdefghij", kept: "vsn" },
  { text: `failed with ${JWT}.`, secret: JWT, kept: "failed with" },
  { text: `jwt-${JWT}`, secret: JWT },
  { text: "Authorization: Bearer abc.def-ghi_jkl", secret: "abc.def-ghi_jkl", kept: "Authorization" },
  { text: "openai-insecure-api-key.sk-proj-AbCdEf123456", secret: "AbCdEf123456" },
  { text: "key sb_secret_Zx9-aa_bb is wrong", secret: "Zx9-aa_bb", kept: "is wrong" },
  { text: "redis://:hunter22@cache.example:6379/0", secret: "hunter22", kept: "cache.example:6379" },
  { text: "postgres://postgres:hunter22@db.example/postgres", secret: "hunter22", kept: "db.example" },
  { text: '{"password": "hunter22", "room": "a"}', secret: "hunter22", kept: '"room": "a"' },
  { text: "sbp_0123456789abcdef0123456789abcdef01234567", secret: "0123456789abcdef" },
];

Deno.test("no line shows a credential, wherever it stands in what is logged", () => {
  for (const { text, secret, kept = "" } of SECRETS) {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), fc.string({ unit: "grapheme" }), (before, after) => {
        const { log, lines } = testLog();
        const around = `${before} ${text} ${after}`;
        log.info("x", { text: around, deep: [{ error: new Error(around) }] });
        const line = JSON.stringify(lines[0]);
        assertFalse(line.includes(secret), line);
      }),
      { numRuns: 20 },
    );
    const { log, lines } = testLog();
    log.info("x", { text });
    assert((lines[0]!.text as string).includes(kept), `${lines[0]!.text} lacks ${kept}`);
  }
  const { log, lines } = testLog();
  log.info("x", { token: "opaque", access_token: "opaque", secretKey: "opaque", authorization: { a: "opaque" }, n: 1 });
  assertEquals(JSON.stringify(lines[0]).includes("opaque"), false);
});
