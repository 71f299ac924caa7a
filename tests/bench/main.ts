/**
 * Measures what the functions cost, each beside its peer in the same run; docs/bench.md says how and what came out.
 *
 * ```
 * deno task bench                       rooms of 10 and 100, the ladder, the store, connecting, the relay; three rounds
 * deno task bench --rounds 5 --large    rooms of 1,000 as well
 * deno task bench --only fan-out        one part: fan-out, half-load, ladder, store, connecting or relay
 * deno task bench --out                 the tables go into docs/bench.md, too
 * deno task bench --deno 2.1.4          the servers run on the hosted platform's Deno; cold starts are measured on both without
 * ```
 */
// deno-lint-ignore-file no-console
import { parseArgs } from "@std/cli/parse-args";
import { denoPath, HOSTED_DENO } from "../support/deno_versions.ts";
import { benchTokens } from "./bench_tokens.ts";
import { benchFanOut, fanOutCases } from "./fan_out.ts";
import { benchStorePath } from "./store_path.ts";
import { benchConnecting } from "./connecting.ts";
import { benchColdStart, type DenoProgram } from "./cold_start.ts";
import { benchGrowth } from "./growth.ts";
import { benchHalfLoad } from "./half_load.ts";
import { benchLadder } from "./ladder.ts";
import { benchMemory } from "./memory.ts";
import { benchPeers } from "./peers.ts";
import { benchRelayPath } from "./relay_path.ts";
import { chat, echo, plainRoom } from "./systems.ts";
import { sectionChart } from "./section_chart.ts";
import { statusLine } from "../../supabase/local/status_line.ts";
import { goalsSection } from "./goals_section.ts";
import { markdownTable, type Section, withSection } from "./table.ts";

const PAGE = new URL("../../docs/bench.md", import.meta.url);
/** A bench that hangs must not hang whoever waits for it. */
const TIME_LIMIT_MS = 30 * 60_000;

const flags = parseArgs(Deno.args, {
  string: ["rounds", "seconds", "only", "deno"],
  boolean: ["large", "out"],
  default: { rounds: "3", seconds: "2" },
});
const rounds = positive("rounds", flags.rounds);
const seconds = positive("seconds", flags.seconds);
const deno = flags.deno === undefined ? undefined : await denoPath(flags.deno);

const timeLimit = setTimeout(() => {
  console.error(`The bench took more than ${TIME_LIMIT_MS / 60_000} minutes: given up`);
  Deno.exit(1); // What it started ends with its input.
}, TIME_LIMIT_MS);

const startedAt = performance.now();
const status = statusLine();
const tokens = await benchTokens();
const parts: Record<string, () => Promise<Section>> = {
  "fan-out": () => {
    const systems = [plainRoom({ deno }), chat(tokens, { batch: false, deno }), chat(tokens, { batch: true, deno })];
    const members = flags.large ? [10, 100, 1_000] : [10, 100];
    return benchFanOut({ systems, cases: fanOutCases({ members, seconds }), rounds, log });
  },
  "half-load": () => {
    const systems = [plainRoom({ deno }), chat(tokens, { batch: false, deno }), chat(tokens, { batch: true, deno })];
    const again = { ...plainRoom({ deno }), name: "plain room, again" };
    return benchHalfLoad({ systems: [...systems, again], members: 100, rounds, seconds, log });
  },
  peers: () => {
    const systems = [plainRoom({ deno }), chat(tokens, { batch: false, deno }), chat(tokens, { batch: true, deno })];
    return benchPeers({ systems, members: flags.large ? [10, 100, 1_000] : [10, 100], rounds, seconds, log });
  },
  ladder: () => benchLadder({ rounds, log }),
  store: () => benchStorePath({ rounds, seconds, deno, log }),
  connecting: () => {
    const systems = [plainRoom({ deno }), echo(tokens, { deno }), chat(tokens, { batch: false, deno })];
    return benchConnecting({ systems, rounds, log });
  },
  "cold-start": async () => benchColdStart({ denos: await bothDenos(), tokens, rounds, log }),
  memory: async () => {
    const sections: Section[] = [];
    for (const { version, path: deno } of await bothDenos()) {
      const systems = [plainRoom({ deno }), echo(tokens, { deno }), chat(tokens, { batch: false, deno })];
      sections.push(withDeno(version, await benchMemory({ systems, rounds, log })));
    }
    return { ...sections[0]!, rows: sections.flatMap(({ rows }) => rows) };
  },
  growth: () => benchGrowth({ system: chat(tokens, { batch: false, deno }), deno, rounds, seconds, log }),
  relay: () => benchRelayPath({ tokens, rounds, seconds, deno, log }),
};
const names = flags.only === undefined ? Object.keys(parts) : [flags.only];
const sections: Section[] = [];
for (const name of names) {
  const part = parts[name];
  if (part === undefined) {
    throw new RangeError(`Cannot measure "${name}": the parts are ${Object.keys(parts).join(", ")}`);
  }
  status.show(`measuring ${name} (${sections.length + 1} of ${names.length})`);
  sections.push(await part());
}
status[Symbol.dispose]();
for (const section of sections) {
  console.log(`\n${section.name}, medians of ${rounds} rounds\n\n${markdownTable(section)}`);
}
console.log(`\n${machine()}`);
if (flags.out) await writePage();
clearTimeout(timeLimit);

async function writePage(): Promise<void> {
  let page = await Deno.readTextFile(PAGE);
  for (const section of sections) {
    const chart = sectionChart(section);
    const picture = chart === undefined ? "" : `\n\n![The same as a chart](charts/${section.name}.svg)`;
    if (chart !== undefined) await Deno.writeTextFile(new URL(`charts/${section.name}.svg`, PAGE), chart);
    page = withSection(page, section, `${markdownTable(section)}\n\n${machine()}${picture}`);
  }
  const goals = goalsSection(page);
  await Deno.writeTextFile(PAGE, withSection(page, goals));
  await new Deno.Command(Deno.execPath(), {
    args: ["fmt", "--quiet", PAGE.pathname, new URL("charts/", PAGE).pathname],
  }).output();
  console.log("Written to docs/bench.md");
}

/** What the figures were measured on, and how busy that was: without it they mean nothing. */
function machine(): string {
  const load = Deno.loadavg()[0]!.toFixed(1);
  return `Medians of ${rounds} rounds, Deno ${flags.deno ?? Deno.version.deno}, ` +
    `${navigator.hardwareConcurrency} cores, load average ${load} at the end.`;
}

/** The Denos of what is measured on more than one, unless one is asked for. */
function bothDenos(): Promise<DenoProgram[]> {
  const versions = flags.deno === undefined ? [Deno.version.deno, HOSTED_DENO] : [flags.deno];
  return Promise.all(versions.map(async (version) => ({ version, path: await denoPath(version) })));
}

/** The section with the Deno that it was measured on in its second column. */
function withDeno(version: string, { name, columns, rows }: Section): Section {
  const insert = ([first, ...others]: readonly string[], cell: string) => [first!, cell, ...others];
  return { name, columns: insert(columns, "Deno"), rows: rows.map((row) => insert(row, version)) };
}

function log(line: string): void {
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(0).padStart(4);
  status.print(() => console.log(`${seconds} s  ${line}`));
}

function positive(name: string, raw: string): number {
  const value = Number(raw);
  if (!(value > 0)) {
    throw new RangeError(`Cannot measure as --${name} must be a positive number: current value is "${raw}"`);
  }
  return value;
}
