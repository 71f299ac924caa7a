/**
 * Runs chats while everything goes wrong that can, and compares what every client saw with the database: see docs/faults.md.
 *
 * ```
 * deno task soak                                 the whole of it on Redis, for two minutes
 * deno task soak --bus realtime --minutes 30     on Supabase Realtime, for longer
 * deno task soak --seed 7                        the same traffic and faults once more
 * ```
 */
// deno-lint-ignore-file no-console
import { findBrokenPromises, runScenario } from "./run_scenario.ts";
import { seedOfRun } from "../support/seeded_random.ts";
import { parseArgs } from "@std/cli/parse-args";

const flags = parseArgs(Deno.args, {
  string: ["minutes", "seed", "bus", "rate"],
  default: { minutes: "2", bus: "redis", rate: "100" },
});
const seed = flags.seed === undefined ? seedOfRun() : Number(flags.seed);
console.log(`seed ${seed}`);
const durationMs = Number(flags.minutes) * 60_000;
const report = await runScenario({
  seed,
  bus: flags.bus as "redis",
  isolates: 3,
  wallClockMs: 10_000,
  clients: 30,
  rooms: 10,
  roomsPerClient: 2,
  messages: Math.round((durationMs / 1000) * Number(flags.rate)),
  durationMs,
  busFaults: { drop: 0.25, double: 0.1, reorder: 0.2, delay: 0.2 },
}, { log: console.log });
console.log(report, findBrokenPromises(report));
