import { parseArgs } from "@std/cli/parse-args";
import { err, ok, type Result } from "../../shared/protocol/result.ts";
import type { JwtAlgorithm } from "./keys.ts";

/** What the command line of `deno task dev` asks for. */
export interface Flags {
  help: boolean;
  port?: number;
  isolates: number;
  wallClockMs: number;
  cpuLimitMs?: number;
  databaseUrl?: string;
  jwtAlgorithm: JwtAlgorithm;
  deno?: string;
}

/** The text of `--help`. */
export const HELP = `Supabase on this machine, without Docker.

Usage: deno task dev [options]

  --port PORT         port of the API (default: that of supabase/config.toml, 54321)
  --isolates N        isolates per function that take requests (default: 2)
  --wall-clock TIME   life of an isolate, from 2s, such as 30s or 400s (default: 150s, the free plan's)
  --cpu-limit TIME    CPU time of an isolate's life, such as 2s (default: no limit)
  --postgres URL      a real PostgreSQL (default: PGlite, in memory)
  --jwt ALGORITHM     signature of user tokens, ES256 or HS256 (default: ES256)
  --deno PATH         the deno that runs the isolates (default: this one)
  --help              this text
`;

/** An isolate takes requests for half of its life, and that includes its start. */
const MIN_WALL_CLOCK_MS = 2_000;

const VALUES = ["port", "isolates", "wall-clock", "cpu-limit", "postgres", "jwt", "deno"];

/** Reads the command line. An error says what is wrong with which flag. */
export function parseFlags(args: readonly string[]): Result<Flags, string> {
  const unknown: string[] = [];
  const parsed = parseArgs([...args], {
    string: VALUES,
    boolean: ["help"],
    unknown: (arg: string) => {
      unknown.push(arg);
      return false;
    },
  }) as Record<string, string | undefined> & { help: boolean };
  if (unknown.length > 0) return err(`Unknown argument ${unknown[0]}`);
  const empty = VALUES.find((name) => parsed[name] === "");
  if (empty) return err(`--${empty} needs a value`);
  return validate(parsed);
}

function validate(parsed: Record<string, string | undefined> & { help: boolean }): Result<Flags, string> {
  const port = parsed.port === undefined ? undefined : integer(parsed.port, 0, 65_535);
  if (Number.isNaN(port)) return err(`--port must be a number from 0 to 65535: current value is "${parsed.port}"`);
  const isolates = integer(parsed.isolates ?? "2", 1, 64);
  if (Number.isNaN(isolates)) {
    return err(`--isolates must be a number from 1 to 64: current value is "${parsed.isolates}"`);
  }
  const wallClockMs = durationMs(parsed["wall-clock"] ?? "150s");
  if (!(wallClockMs >= MIN_WALL_CLOCK_MS)) {
    return err(
      `--wall-clock must be a time such as 30s or 2m, and at least 2s: current value is "${parsed["wall-clock"]}"`,
    );
  }
  const cpuLimitMs = parsed["cpu-limit"] === undefined ? undefined : durationMs(parsed["cpu-limit"]);
  if (Number.isNaN(cpuLimitMs)) {
    return err(`--cpu-limit must be a time such as 500ms, 30s or 2m: current value is "${parsed["cpu-limit"]}"`);
  }
  const jwtAlgorithm = parsed.jwt ?? "ES256";
  if (!isJwtAlgorithm(jwtAlgorithm)) return err(`--jwt must be ES256 or HS256: current value is "${parsed.jwt}"`);
  const databaseUrl = parsed.postgres;
  if (databaseUrl !== undefined && !/^postgres(ql)?:\/\//.test(databaseUrl)) {
    return err("--postgres must be a URL such as postgresql://postgres@127.0.0.1:5432/postgres");
  }
  return ok({
    help: parsed.help,
    port,
    isolates,
    wallClockMs,
    cpuLimitMs,
    databaseUrl,
    jwtAlgorithm,
    deno: parsed.deno,
  });
}

/** The ms of a duration such as `500ms`, `30s` or `2m`, at least 1 ms; otherwise NaN. */
function durationMs(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m)$/.exec(text);
  if (!match) return NaN;
  const ms = Number(match[1]) * { ms: 1, s: 1_000, m: 60_000 }[match[2] as "ms" | "s" | "m"];
  return ms >= 1 ? ms : NaN;
}

function integer(text: string, min: number, max: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : NaN;
  return value >= min && value <= max ? value : NaN;
}

function isJwtAlgorithm(value: string): value is JwtAlgorithm {
  return value === "ES256" || value === "HS256";
}
