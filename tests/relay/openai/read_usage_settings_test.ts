import { assertEquals, assertThrows } from "@std/assert";
import { readUsageSettings } from "../../../shared/relay/openai/read_usage_settings.ts";
import { DEFAULT_WEIGHTS } from "../../../shared/relay/openai/usage.ts";

Deno.test("readUsageSettings() meters without a budget, and lets a user have ten sessions", () => {
  assertEquals(readUsageSettings({}), { limits: { dailyBudget: null, maxSessions: 10 }, weights: DEFAULT_WEIGHTS });
});

Deno.test("readUsageSettings() reads every variable", () => {
  const settings = readUsageSettings({
    OPENAI_METERING: "on",
    OPENAI_DAILY_BUDGET: " 2.5 ",
    OPENAI_BUDGET_WEIGHTS: '{"cached_text": 0.1, "seconds": 0}',
    OPENAI_MAX_SESSIONS_PER_USER: "2",
  });
  const weights = { ...DEFAULT_WEIGHTS, cached_text: 0.1, seconds: 0 };
  assertEquals(settings, { limits: { dailyBudget: 2.5, maxSessions: 2 }, weights });
  assertEquals(readUsageSettings({ OPENAI_METERING: "off" }), undefined);
});

const wrong: { env: Record<string, string>; message: string }[] = [
  { env: { OPENAI_METERING: "no" }, message: `OPENAI_METERING must be on or off: current value is "no"` },
  {
    env: { OPENAI_METERING: "off", OPENAI_DAILY_BUDGET: "1" },
    message: "OPENAI_METERING must be on for OPENAI_DAILY_BUDGET",
  },
  { env: { OPENAI_DAILY_BUDGET: "-1" }, message: "OPENAI_DAILY_BUDGET must be a number >= 0" },
  { env: { OPENAI_DAILY_BUDGET: "much" }, message: "OPENAI_DAILY_BUDGET must be a number >= 0" },
  { env: { OPENAI_MAX_SESSIONS_PER_USER: "0" }, message: "OPENAI_MAX_SESSIONS_PER_USER must be a whole number >= 1" },
  { env: { OPENAI_MAX_SESSIONS_PER_USER: "1.5" }, message: "OPENAI_MAX_SESSIONS_PER_USER must be a whole number >= 1" },
  { env: { OPENAI_BUDGET_WEIGHTS: "{" }, message: "OPENAI_BUDGET_WEIGHTS must be a JSON object" },
  { env: { OPENAI_BUDGET_WEIGHTS: "[]" }, message: "OPENAI_BUDGET_WEIGHTS must be a JSON object" },
  { env: { OPENAI_BUDGET_WEIGHTS: '{"words": 1}' }, message: 'OPENAI_BUDGET_WEIGHTS must not hold "words"' },
  { env: { OPENAI_BUDGET_WEIGHTS: '{"seconds": -1}' }, message: "must hold a number >= 0 for seconds" },
  { env: { OPENAI_BUDGET_WEIGHTS: '{"seconds": "1"}' }, message: "must hold a number >= 0 for seconds" },
];
for (const { env, message } of wrong) {
  Deno.test(`readUsageSettings() refuses ${JSON.stringify(env)}`, () => {
    assertThrows(() => readUsageSettings(env), RangeError, message);
  });
}
