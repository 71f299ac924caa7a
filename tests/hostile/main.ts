/**
 * Makes every attack on every function, ten times as long as the gate does, and measures what it costs those beside it;
 * docs/security.md says what came out.
 *
 * ```
 * deno task hostile                    all of it, some minutes
 * deno task hostile --only chat        one function
 * deno task hostile --times 1          as many tries as in the gate
 * deno task hostile --deno 2.1.4       the functions run on the hosted platform's Deno
 * deno task hostile --out              the table goes into docs/security.md, too
 * ```
 */
// deno-lint-ignore-file no-console
import { parseArgs } from "@std/cli/parse-args";
import { markdownTable, type Section, withSection } from "../bench/table.ts";
import { type Attack, LONG_RUN } from "./attack.ts";
import { ATTACKS } from "./attacks.ts";
import { type Bystander, startBystander } from "./bystander.ts";
import { FUNCTIONS, startTarget, type Target } from "./target.ts";

const PAGE = new URL("../../docs/security.md", import.meta.url);
const QUIET_MS = 3_000;

const flags = parseArgs(Deno.args, { string: ["only", "times", "deno"], boolean: ["out"] });
const times = Number(flags.times ?? LONG_RUN);
const rows: string[][] = [];
for (const name of FUNCTIONS.filter((name) => flags.only === undefined || flags.only === name)) {
  for (const attack of ATTACKS.filter(({ against }) => against.includes(name))) {
    // Each has a process of its own, so that none pays for another.
    await using target = await startTarget(name, flags.deno === undefined ? {} : { version: flags.deno });
    using bystander = await startBystander(target);
    const row = await measure(target, bystander, attack);
    console.log(row.join(" | "));
    rows.push(row);
    await target.assertUnmoved();
  }
}
const section: Section = {
  name: "attacks",
  columns: [
    "function",
    "attack",
    "tries",
    "what the attacker gets",
    "p50, p99 ms before",
    "p50, p99 ms beside",
    "peak MiB",
  ],
  rows,
};
const machine = `Deno ${flags.deno ?? Deno.version.deno}, ${navigator.hardwareConcurrency} cores, load average ` +
  `${Deno.loadavg()[0]!.toFixed(1)} at the end.`;
console.log(`\n${markdownTable(section)}\n\n${machine}`);
if (flags.out) {
  const page = await Deno.readTextFile(PAGE);
  await Deno.writeTextFile(PAGE, withSection(page, section, `${markdownTable(section)}\n\n${machine}`));
  await new Deno.Command(Deno.execPath(), { args: ["fmt", "--quiet", PAGE.pathname] }).output();
}

async function measure(target: Target, bystander: Bystander, attack: Attack): Promise<string[]> {
  await new Promise((resolve) => setTimeout(resolve, QUIET_MS));
  const before = await bystander.report();
  await target.takePeakBytes();
  const tries = attack.tries * times;
  const effect = await attack.run(target, tries);
  const beside = await bystander.report();
  const peak = await target.takePeakBytes();
  return [
    `\`${target.name}\``,
    attack.name,
    tries.toLocaleString("en"),
    effect,
    percentiles(before),
    percentiles(beside),
    (peak / 1024 / 1024).toFixed(0),
  ];
}

function percentiles(sampleMs: readonly number[]): string {
  const sorted = Float64Array.from(sampleMs).sort();
  return [0.5, 0.99].map((share) => (sorted[Math.floor(sorted.length * share)] ?? NaN).toFixed(1)).join(", ");
}
