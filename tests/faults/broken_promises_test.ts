import { assertMatch } from "@std/assert";
import { requires } from "../support/requires.ts";
import { seedOfRun } from "../support/seeded_random.ts";
import { BROKEN_PROMISES, SHORT_CHAT, SHORT_SETTLE_MS } from "./broken_promises.ts";
import { findBrokenPromises, runScenario } from "./run_scenario.ts";

const missing = (["postgresql", "redis-server"] as const).map((name) => requires(name)).find(({ ignore }) => ignore);

for (const { name, patch, busFaults, finding } of BROKEN_PROMISES) {
  Deno.test({
    name: `the harness notices where ${name}${missing?.suffix ?? ""}`,
    ignore: missing !== undefined,
    async fn() {
      const seed = seedOfRun();
      const scenario = { ...SHORT_CHAT, seed, busFaults, patches: [patch] };
      const report = await runScenario(scenario, { settleMs: SHORT_SETTLE_MS });
      assertMatch(findBrokenPromises(report)[0] ?? "nothing", finding, `seed ${seed}`);
    },
  });
}
