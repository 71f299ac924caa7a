import { assertEquals } from "@std/assert";
import { parseFlags } from "../../supabase/local/parse_flags.ts";

const DEFAULTS = {
  help: false,
  port: undefined,
  isolates: 2,
  wallClockMs: 150_000,
  cpuLimitMs: undefined,
  databaseUrl: undefined,
  jwtAlgorithm: "ES256",
  deno: undefined,
};

const good: [args: string[], flags: Record<string, unknown>][] = [
  [[], {}],
  [["--help"], { help: true }],
  [["--port", "8000"], { port: 8000 }],
  [["--port=0"], { port: 0 }],
  [["--isolates", "3", "--wall-clock", "30s"], { isolates: 3, wallClockMs: 30_000 }],
  [["--wall-clock", "2.5s", "--cpu-limit", "500ms"], { wallClockMs: 2_500, cpuLimitMs: 500 }],
  [["--wall-clock", "2000ms"], { wallClockMs: 2_000 }],
  [["--wall-clock", "2m"], { wallClockMs: 120_000 }],
  [["--postgres", "postgres://me@db:5432/x"], { databaseUrl: "postgres://me@db:5432/x" }],
  [["--jwt", "HS256", "--deno", "/opt/deno"], { jwtAlgorithm: "HS256", deno: "/opt/deno" }],
];
for (const [args, flags] of good) {
  Deno.test(`parseFlags() reads "${args.join(" ")}"`, () => {
    assertEquals(parseFlags(args), { ok: true, value: { ...DEFAULTS, ...flags } } as ReturnType<typeof parseFlags>);
  });
}

const bad: [args: string[], error: string][] = [
  [["--bogus"], "Unknown argument --bogus"],
  [["--isolate", "3"], "Unknown argument --isolate"],
  [["start"], "Unknown argument start"],
  [["--port", "http"], '--port must be a number from 0 to 65535: current value is "http"'],
  [["--port", "70000"], '--port must be a number from 0 to 65535: current value is "70000"'],
  [["--port=-1"], '--port must be a number from 0 to 65535: current value is "-1"'],
  [["--port"], "--port needs a value"],
  [["--isolates", "0"], '--isolates must be a number from 1 to 64: current value is "0"'],
  [["--isolates", "two"], '--isolates must be a number from 1 to 64: current value is "two"'],
  [["--wall-clock", "30"], '--wall-clock must be a time such as 30s or 2m, and at least 2s: current value is "30"'],
  [["--wall-clock", "0s"], '--wall-clock must be a time such as 30s or 2m, and at least 2s: current value is "0s"'],
  [
    ["--wall-clock", "500ms"],
    '--wall-clock must be a time such as 30s or 2m, and at least 2s: current value is "500ms"',
  ],
  [["--cpu-limit", "0ms"], '--cpu-limit must be a time such as 500ms, 30s or 2m: current value is "0ms"'],
  [["--cpu-limit", "fast"], '--cpu-limit must be a time such as 500ms, 30s or 2m: current value is "fast"'],
  [["--jwt", "none"], '--jwt must be ES256 or HS256: current value is "none"'],
  [["--postgres", "db"], "--postgres must be a URL such as postgresql://postgres@127.0.0.1:5432/postgres"],
];
for (const [args, error] of bad) {
  Deno.test(`parseFlags() refuses "${args.join(" ")}"`, () => {
    assertEquals(parseFlags(args), { ok: false, error });
  });
}
