import { assertEquals } from "@std/assert";
import { requires } from "../support/requires.ts";
import { seedOfRun } from "../support/seeded_random.ts";
import { findBrokenPromises, runScenario } from "./run_scenario.ts";
import type { Scenario } from "./scenario.ts";

const needs = { redis: ["postgresql", "redis-server"], realtime: ["postgresql"] } as const;

const scenario: Omit<Scenario, "seed" | "bus"> = {
  isolates: 2,
  wallClockMs: 8_000,
  clients: 8,
  rooms: 3,
  roomsPerClient: 2,
  messages: 300,
  durationMs: 6_000,
  busFaults: { drop: 0.25, double: 0.1, reorder: 0.2, delay: 0.2 },
  every: { kill: 3_000, cut: 1_000, bus: 6_000, database: 6_000, store: 6_000 },
};

for (const bus of ["redis", "realtime"] as const) {
  const missing = needs[bus].map((program) => requires(program)).find(({ ignore }) => ignore);
  Deno.test({
    name: `over ${bus} no client misses, doubles or reorders anything while all goes wrong${missing?.suffix ?? ""}`,
    ignore: missing !== undefined,
    async fn() {
      const seed = seedOfRun();
      // deno-lint-ignore no-console -- a run that fails must be told how to repeat it
      console.log(`seed ${seed}`);
      const report = await runScenario({ ...scenario, seed, bus });
      assertEquals(findBrokenPromises(report), [], `seed ${seed}`);
    },
  });
}
