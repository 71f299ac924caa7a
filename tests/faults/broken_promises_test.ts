import { assertMatch } from "@std/assert";
import { requires } from "../support/requires.ts";
import { seedOfRun } from "../support/seeded_random.ts";
import { BROKEN_PROMISES, SHORT_CHAT, SHORT_SETTLE_MS } from "./broken_promises.ts";
import { findBrokenPromises, runScenario } from "./run_scenario.ts";

const missing = (["postgresql", "redis-server"] as const).map((name) => requires(name)).find(({ ignore }) => ignore);

Deno.test({
  name: `the harness notices broken promises${missing?.suffix ?? ""}`,
  ignore: missing !== undefined,
  async fn(t) {
    const seed = seedOfRun();
    // Beside each other, as most of the time they wait for what will not come.
    await Promise.all(BROKEN_PROMISES.map(({ name, patch, busFaults, finding }) =>
      t.step({
        name,
        sanitizeOps: false,
        sanitizeResources: false,
        sanitizeExit: false,
        async fn() {
          const scenario = { ...SHORT_CHAT, seed, busFaults, patches: [patch] };
          const report = await runScenario(scenario, { settleMs: SHORT_SETTLE_MS });
          assertMatch(findBrokenPromises(report)[0] ?? "nothing", finding, `seed ${seed}`);
        },
      })
    ));
  },
});
