import { DEFAULT_WEIGHTS, type Weights } from "./usage.ts";
import type { UsageLimits } from "./usage_store.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** How sessions are metered. */
export interface UsageSettings {
  readonly limits: UsageLimits;
  readonly weights: Weights;
}

const DEFAULT_MAX_SESSIONS = 10;

/**
 * How sessions at OpenAI are metered, from a function's environment; `undefined` where they are not:
 *
 * | variable | default | meaning |
 * |---|---|---|
 * | `OPENAI_METERING` | `on` | `off`: usage is not stored, and nothing limits it |
 * | `OPENAI_DAILY_BUDGET` | | what the usage of one user may cost in a day (UTC) |
 * | `OPENAI_BUDGET_WEIGHTS` | 1 a token, 10 a second | what a token of a kind costs, and a `second` that is counted by time; JSON |
 * | `OPENAI_MAX_SESSIONS_PER_USER` | 10 | sessions of one user at once, on all isolates |
 *
 * @throws {RangeError} that names the variable.
 */
export function readUsageSettings(env: Environment): UsageSettings | undefined {
  const metering = env.OPENAI_METERING?.trim() || "on";
  if (metering !== "on" && metering !== "off") {
    fail(`OPENAI_METERING must be on or off: current value is "${metering}"`);
  }
  const dailyBudget = readBudget(env.OPENAI_DAILY_BUDGET?.trim());
  const maxSessions = readMaxSessions(env.OPENAI_MAX_SESSIONS_PER_USER?.trim());
  const weights = readWeights(env.OPENAI_BUDGET_WEIGHTS?.trim());
  if (metering === "on") return { limits: { dailyBudget, maxSessions: maxSessions ?? DEFAULT_MAX_SESSIONS }, weights };
  if (dailyBudget !== null || maxSessions !== null) {
    fail("OPENAI_METERING must be on for OPENAI_DAILY_BUDGET and OPENAI_MAX_SESSIONS_PER_USER");
  }
  return undefined;
}

function readBudget(raw: string | undefined): number | null {
  if (!raw) return null;
  const value = Number(raw);
  if (value >= 0 && Number.isFinite(value)) return value;
  return fail(`OPENAI_DAILY_BUDGET must be a number >= 0: current value is "${raw}"`);
}

function readMaxSessions(raw: string | undefined): number | null {
  if (!raw) return null;
  const value = Number(raw);
  if (Number.isSafeInteger(value) && value >= 1) return value;
  return fail(`OPENAI_MAX_SESSIONS_PER_USER must be a whole number >= 1: current value is "${raw}"`);
}

function readWeights(raw: string | undefined): Weights {
  if (!raw) return DEFAULT_WEIGHTS;
  let given: unknown;
  try {
    given = JSON.parse(raw);
  } catch {
    given = undefined;
  }
  const kinds = Object.keys(DEFAULT_WEIGHTS);
  if (typeof given !== "object" || given === null || Array.isArray(given)) {
    fail('OPENAI_BUDGET_WEIGHTS must be a JSON object such as {"cached_text": 0.1, "output_audio": 16}');
  }
  for (const [kind, weight] of Object.entries(given)) {
    if (!kinds.includes(kind)) fail(`OPENAI_BUDGET_WEIGHTS must not hold "${kind}": it knows ${kinds.join(", ")}`);
    if (typeof weight !== "number" || !(weight >= 0)) fail(`OPENAI_BUDGET_WEIGHTS must hold a number >= 0 for ${kind}`);
  }
  return { ...DEFAULT_WEIGHTS, ...given };
}

function fail(rule: string): never {
  throw new RangeError(`Cannot start as ${rule}`);
}
