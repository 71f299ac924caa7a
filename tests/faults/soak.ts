/**
 * Lets people chat while everything goes wrong that can, and compares what each of them saw with the database. Prints what
 * happens, and a table at the end; the exit code is 1 where a promise was broken. See docs/faults.md.
 *
 * ```
 * deno task soak                                 20,000 messages on Redis and on Realtime, with every fault
 * deno task soak --bus realtime --minutes 30     on one bus, for longer
 * deno task soak --seed 7                        the same traffic and the same faults once more
 * deno task soak --only herd,presence            other parts: hand-over, kill, latency, presence, herd, broken, browser
 * deno task soak --out                           the table goes into docs/soak.md, too, and a chart beside it
 * deno task soak --only browser --screenshot docs/screenshots/chat-over-kills.png
 * ```
 */
// deno-lint-ignore-file no-console
import { parseArgs } from "@std/cli/parse-args";
import { statusLine } from "../../supabase/local/status_line.ts";
import { barChart, type ChartGroup } from "../bench/chart.ts";
import { markdownTable } from "../bench/table.ts";
import { seedOfRun } from "../support/seeded_random.ts";
import { BROKEN_PROMISES, SHORT_CHAT, SHORT_SETTLE_MS } from "./broken_promises.ts";
import { runBrowserChat } from "./browser_chat.ts";
import type { Quantiles } from "./latencies.ts";
import { findBrokenPromises, type Report, runScenario } from "./run_scenario.ts";
import type { BusName, Scenario } from "./scenario.ts";
import { runHerd } from "./thundering_herd.ts";

/** What a part came to. */
interface Outcome {
  readonly part: string;
  /** For the chart: p50, p95, p99 and the maximum of what was timed, in ms. */
  readonly times?: readonly ChartGroup[];
  /** A line for each number. */
  readonly rows: readonly (readonly [string, string])[];
  /** In words; empty where every promise held. */
  readonly broken: readonly string[];
}

const PAGE = new URL("../../docs/soak.md", import.meta.url);
const MESSAGES = 20_000;
const MESSAGES_PER_SECOND = 60;

const flags = parseArgs(Deno.args, { string: ["minutes", "seed", "bus", "only", "screenshot"], boolean: ["out"] });
const seed = flags.seed === undefined ? seedOfRun() : Number(flags.seed);
const buses: readonly BusName[] = flags.bus === undefined ? ["redis", "realtime"] : [readBus(flags.bus)];
const messages = flags.minutes === undefined ? MESSAGES : Math.round(Number(flags.minutes) * 60 * MESSAGES_PER_SECOND);

/** Three isolates that live as long as runs of this length can show; each room has six clients on all of them. */
const CROWD: Omit<Scenario, "bus" | "messages" | "durationMs"> = {
  seed,
  isolates: 3,
  wallClockMs: 10_000,
  clients: 30,
  rooms: 10,
  roomsPerClient: 2,
};
/** Few enough messages that none waits for another one. */
const CALM = { messages: 800, durationMs: 40_000 };

const parts: Record<string, () => Promise<Outcome[]>> = {
  chat: () =>
    onEach(buses, (bus) => ({
      ...CROWD,
      bus,
      messages,
      durationMs: (messages / MESSAGES_PER_SECOND) * 1_000,
      busFaults: { drop: 0.25, double: 0.1, reorder: 0.2, delay: 0.2 },
      every: { kill: 20_000, cut: 4_000, bus: 45_000, database: 90_000, store: 60_000 },
    })),
  "hand-over": () => onEach(buses, (bus) => ({ ...CROWD, ...CALM, bus, wallClockMs: 30_000 })),
  kill: () => onEach(buses, (bus) => ({ ...CROWD, ...CALM, bus, wallClockMs: 150_000, every: { kill: 4_000 } })),
  latency: () =>
    onEach(["memory", ...buses], (bus) => {
      return { ...CROWD, ...CALM, bus, wallClockMs: 150_000, isolates: bus === "memory" ? 1 : 3 };
    }),
  presence: () =>
    onEach(buses, (bus) => {
      const pace = { messages: 400, durationMs: 44_000, every: { kill: 2_200 } };
      // Fifteen to a room, so that the list of them comes in parts.
      return {
        ...CROWD,
        rooms: 4,
        ...pace,
        bus,
        wallClockMs: 150_000,
        leavers: 8,
        busFaults: { drop: 0.25, double: 0.1 },
      };
    }),
  herd: async () => [await herdOutcome()],
  broken: async () => {
    const outcomes: Outcome[] = [];
    for (const broken of BROKEN_PROMISES) outcomes.push(await brokenOutcome(broken));
    return outcomes;
  },
  browser: async () => [await browserOutcome()],
};

console.log(`seed ${seed}`);
const status = statusLine();
const log = (line: string) => status.print(() => console.log(`  ${line}`));
const outcomes: Outcome[] = [];
for (const name of (flags.only ?? "chat").split(",")) {
  const part = parts[name];
  if (part === undefined) {
    throw new RangeError(`Cannot run "${name}": the parts are ${Object.keys(parts).join(", ")}`);
  }
  status.print(() => console.log(`\n== ${name}`));
  status.show(`${name} runs`);
  for (const outcome of await part()) {
    outcomes.push(outcome);
    status.print(() => console.log(`\n${tableOf(outcome)}`));
  }
}
status[Symbol.dispose]();
const broken = outcomes.flatMap((outcome) => outcome.broken);
console.log(`\n${broken.length === 0 ? "every promise was held" : `BROKEN: ${broken.join("; ")}`} (seed ${seed})`);
if (flags.out) await writePage();
Deno.exit(broken.length === 0 ? 0 : 1); // Nothing else is to be waited for.

async function onEach(buses: readonly BusName[], scenarioOn: (bus: BusName) => Scenario): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const bus of buses) {
    status.print(() => console.log(`\non ${bus}:`));
    const report = await runScenario(scenarioOn(bus), { log, settleMs: 60_000 });
    outcomes.push({
      part: `on ${bus}`,
      rows: rowsOf(report),
      times: timesOf(bus, report),
      broken: findBrokenPromises(report),
    });
  }
  return outcomes;
}

function tableOf({ part, rows }: Outcome): string {
  return markdownTable({ name: part, columns: [part, "came to"], rows });
}

/** Writes what came out into docs/soak.md, and the times as a chart beside it. */
async function writePage(): Promise<void> {
  const times = outcomes.flatMap(({ times = [] }) => times);
  const command = `npx -y deno@2.9.6 task soak ${Deno.args.join(" ")}`.replace(/ --seed \d+/, "") + ` --seed ${seed}`;
  const held = broken.length === 0 ? "Every promise was held." : `**Broken: ${broken.join("; ")}.**`;
  const machine = `Deno ${Deno.version.deno}, ${navigator.hardwareConcurrency} cores, load average ` +
    `${Deno.loadavg()[0]!.toFixed(1)} at the end`;
  const page = [
    "# The last soak",
    `Written by \`${command}\` on ${machine}. ${held} What is broken on purpose and what is compared: [faults](faults.md).`,
    ...outcomes.map(tableOf),
    ...times.length === 0 ? [] : ["![How long deliveries took, in ms](charts/soak.svg)"],
  ].join("\n\n");
  await Deno.writeTextFile(PAGE, `${page}\n`);
  if (times.length > 0) {
    const [title, caption] = ["From send to delivery while everything goes wrong", "milliseconds"];
    const chart = barChart({ title, caption, names: ["p50", "p95", "p99", "max"], groups: times });
    await Deno.writeTextFile(new URL("charts/soak.svg", PAGE), chart);
  }
  await new Deno.Command(Deno.execPath(), {
    args: ["fmt", "--quiet", PAGE.pathname, new URL("charts/", PAGE).pathname],
  }).output();
  console.log("Written to docs/soak.md");
}

function timesOf(bus: string, { latencies }: Report): ChartGroup[] {
  const { sameIsolate, acrossIsolates, handOver, loss } = latencies;
  const groups = { "on one isolate": sameIsolate, "across isolates": acrossIsolates, "at a hand-over": handOver };
  return Object.entries({ ...groups, "at a loss": loss }).filter(([, { count }]) => count > 0)
    .map(([what, { p50, p95, p99, max }]) => ({
      label: `${bus}, ${what}`,
      values: [p50, p95, p99, max].map(Math.round),
    }));
}

function rowsOf(report: Report): [string, string][] {
  const { latencies } = report;
  const counts = [
    ["messages sent", report.sent],
    ["events that came to clients", report.deliveries],
    ["lost", report.lost],
    ["doubled", report.doubled],
    ["reordered", report.reordered],
    ["out of turn on a connection", report.outOfTurn],
    ["acks that the database does not bear out", report.brokenAcks],
    ["without an ack", report.unacknowledged],
    ["stored twice", report.storedTwice],
    ["in another order than sent", report.swapped],
    ["isolates that lived", report.isolates],
    ["faults", report.faults.length],
    ["clients and rooms with a wrong presence", report.wrongPresence],
    ["presence was right after, ms", report.presenceRightAfterMs],
  ] as const;
  const times = [
    ["on one isolate, ms", latencies.sameIsolate],
    ["across isolates, ms", latencies.acrossIsolates],
    ["longest around a hand-over, ms", latencies.handOver],
    ["longest before one, to compare, ms", latencies.beforeHandOver],
    ["longest around a late hand-over, ms", latencies.lateHandOver],
    ["longest around a loss, ms", latencies.loss],
  ] as const;
  return [
    ...counts.map(([name, count]): [string, string] => [name, count.toLocaleString("en")]),
    ...times.filter(([, { count }]) => count > 0).map(([name, times]): [string, string] => [name, describe(times)]),
  ];
}

function describe({ count, p50, p95, p99, max }: Quantiles): string {
  const [a, b, c, d] = [p50, p95, p99, max].map((ms) => ms.toFixed(0));
  return `p50 ${a}, p95 ${b}, p99 ${c}, max ${d} (of ${count.toLocaleString("en")})`;
}

async function herdOutcome(): Promise<Outcome> {
  const report = await runHerd({ log });
  const { reconnectsPer100Ms: bins } = report;
  bins.forEach((count, i) => console.log(`${((i + 1) / 10).toFixed(1).padStart(6)} s ${"#".repeat(count)} ${count}`));
  return {
    part: "1,000 connections on an isolate that drains",
    rows: [
      ["connections", String(report.connections)],
      ["reconnects per 100 ms, mean", (bins.reduce((a, b) => a + b, 0) / bins.length).toFixed(1)],
      ["reconnects per 100 ms, most", String(Math.max(...bins))],
      ["spread over, s", (bins.length / 10).toFixed(1)],
      ["connecting, ms", describe(report.connecting)],
      ["closed before they had moved", String(report.tooLate)],
    ],
    broken: report.tooLate > 0 ? [`${report.tooLate} connections of the herd were closed before they had moved`] : [],
  };
}

async function brokenOutcome({ name, patch, busFaults, finding }: typeof BROKEN_PROMISES[number]): Promise<Outcome> {
  const scenario = { ...SHORT_CHAT, seed, busFaults };
  const [control, report] = [
    await runScenario(scenario, { settleMs: SHORT_SETTLE_MS }),
    await runScenario({ ...scenario, patches: [patch] }, { settleMs: SHORT_SETTLE_MS }),
  ];
  const found = findBrokenPromises(report);
  const wasNoticed = finding.test(found[0] ?? "");
  return {
    part: "a promise that is broken on purpose",
    rows: [["broken on purpose", name], ["found", found.join("; ")], [
      "without the break",
      JSON.stringify(control.lost),
    ]],
    broken: [...wasNoticed ? [] : [`nobody noticed that ${name}`], ...findBrokenPromises(control)],
  };
}

async function browserOutcome(): Promise<Outcome> {
  const { screenshot } = flags;
  const { said, killed, different } = await runBrowserChat({
    seed,
    durationMs: 60_000,
    log,
    ...screenshot && { screenshot },
  });
  return {
    part: "two pages in Chromium",
    rows: [["messages", String(said)], ["isolates killed", String(killed)], [
      "different from the log",
      String(different),
    ]],
    broken: different > 0 ? [`${different} messages on the pages are not as in the database`] : [],
  };
}

function readBus(name: string): BusName {
  if (name === "memory" || name === "redis" || name === "realtime") return name;
  throw new RangeError(`Cannot run on "${name}": the buses are memory, redis and realtime`);
}
