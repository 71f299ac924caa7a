/**
 * Measures what each attack on each function costs those beside; docs/security.md says how, and what came out.
 *
 * ```
 * deno task hostile                    all of it, half an hour
 * deno task hostile --only chat        one function
 * deno task hostile --attack pings     the attacks in whose name this is
 * deno task hostile --rounds 5         more windows of each kind; default 3
 * deno task hostile --share 0.5        how much of a core an attacker may cost; default 0.25
 * deno task hostile --deno 2.1.4       the functions run on the hosted platform's Deno
 * deno task hostile --out              the table goes into docs/security.md, too
 * ```
 */
// deno-lint-ignore-file no-console
import { parseArgs } from "@std/cli/parse-args";
import { percentiles } from "../bench/load/percentiles.ts";
import { median } from "../bench/median.ts";
import { markdownTable, type Section, withSection } from "../bench/table.ts";
import type { Attack } from "./attack.ts";
import { ATTACKS } from "./attacks.ts";
import { type Bystander, startBystander } from "./bystander.ts";
import { type CoreShare, coreShare } from "./core_share.ts";
import { type FunctionName, FUNCTIONS, startTarget, type Target } from "./target.ts";

const PAGE = new URL("../../docs/security.md", import.meta.url);
/** A window lasts as long as the attack in it, and no shorter than this. */
const WINDOW_MS = 1_000;
/** What an attack without an end of its own makes of the quiet windows beside it. */
const LONGEST_QUIET_MS = 4_000;
/** Each says something 50 times a second: more of them, not faster ones, as their rate is limited. */
const BYSTANDERS = 4;
/** What counts as a longer wait: more than this much of the other and this much on top. */
const LONGER = { ratio: 1.25, ms: 1 };
const SERVER_CORE = 0;
const CLIENT_CORE = 1;

/** What those beside waited for in one kind of window, over all rounds. */
interface Waits {
  readonly p50: number[];
  readonly p99: number[];
}

/** A server of a function, and what it may be made to cost. */
interface Stand {
  readonly target: Target;
  readonly share: CoreShare;
}

const flags = parseArgs(Deno.args, { string: ["only", "attack", "rounds", "share", "deno"], boolean: ["out"] });
const rounds = Number(flags.rounds ?? 3);
const mostUsed = Number(flags.share ?? 0.25);
if (!(rounds >= 1)) throw new RangeError(`Cannot attack ${flags.rounds} rounds: it must be a number >= 1`);
if (!(mostUsed > 0)) throw new RangeError(`Cannot attack with a share of ${flags.share}: it must be a number > 0`);
await pin(Deno.pid, CLIENT_CORE);

const KINDS = ["before", "elsewhere", "during", "after"] as const;
/** Of every attack: the median p99 in each kind of window. */
const p99s: Record<typeof KINDS[number], number>[] = [];
const rows: string[][] = [];
for (const name of FUNCTIONS.filter((name) => flags.only === undefined || flags.only === name)) {
  const attacks = ATTACKS.filter(({ against }) => against.includes(name));
  for (const attack of attacks.filter(({ name }) => flags.attack === undefined || name.includes(flags.attack))) {
    const row = await measure(name, attack);
    console.log(row.join(" | "));
    rows.push(row);
  }
}
const section: Section = {
  name: "attacks",
  columns: [
    "function",
    "attack",
    "tries",
    "what the attacker gets",
    ...KINDS,
    "of a core",
    "peak MiB",
  ],
  rows,
};
const ofAll = KINDS.map((kind) => `${kind} ${median(p99s.map((p99) => p99[kind])).toFixed(1)}`).join(", ");
const longer = p99s.filter(({ during, elsewhere }) => isLonger(during, elsewhere)).length;
const longerByChance = p99s.filter(({ after, before }) => isLonger(after, before)).length;
const machine =
  `p50, p99 of those beside in ms, medians of ${rounds} windows of each kind. Of all ${rows.length} rows ` +
  `the median p99 is ${ofAll}. It is longer \`during\` than \`elsewhere\` (by more than a quarter and a millisecond) in ` +
  `${longer} of them, and \`after\` than \`before\`, which is chance, in ${longerByChance}. Deno ` +
  `${flags.deno ?? Deno.version.deno}, ${navigator.hardwareConcurrency} cores, load average ` +
  `${Deno.loadavg()[0]!.toFixed(1)} at the end.`;
console.log(`\n${markdownTable(section)}\n\n${machine}`);
if (flags.out) {
  const page = await Deno.readTextFile(PAGE);
  await Deno.writeTextFile(PAGE, withSection(page, section, `${markdownTable(section)}\n\n${machine}`));
  await new Deno.Command(Deno.execPath(), { args: ["fmt", "--quiet", PAGE.pathname] }).output();
}

/**
 * Rounds of four windows: the attack on a server that nobody else uses, quiet, the attack on the server of those beside,
 * quiet. The attacker's work, and the machine's, is the same in the first and the third: what differs is whose server it is.
 */
async function measure(name: FunctionName, attack: Attack): Promise<string[]> {
  await using stack = new AsyncDisposableStack();
  // Each attack has servers of its own, so that none pays for another.
  const [other, own] = [await openStand(stack, name), await openStand(stack, name)];
  const bystanders: Bystander[] = [];
  for (let n = 0; n < BYSTANDERS; n++) bystanders.push(stack.use(await startBystander(own.target, `lobby-${n}`)));
  const waits = { before: newWaits(), elsewhere: newWaits(), during: newWaits(), after: newWaits() };
  const shares: number[] = [];
  let tries = 0;
  let effect = "";

  const attackFor = async ({ target, share }: Stand) => {
    const startedAt = performance.now();
    share.begin();
    do {
      effect = await attack.run(target, attack.tries);
    } while (performance.now() - startedAt < WINDOW_MS);
    return performance.now() - startedAt;
  };
  const window = async (kind: keyof typeof waits, task: () => Promise<unknown>) => {
    await listen(bystanders);
    await task();
    const at = percentiles(await listen(bystanders));
    waits[kind].p50.push(at(0.5));
    waits[kind].p99.push(at(0.99));
  };

  await attackFor(own); // What runs for the first time is compiled.
  await own.target.takePeakBytes();
  for (let round = 0; round < rounds; round++) {
    let lastedMs = 0;
    await window("elsewhere", async () => lastedMs = await attackFor(other));
    const quiet = () => new Promise((resolve) => setTimeout(resolve, Math.min(lastedMs, LONGEST_QUIET_MS)));
    await window("before", quiet);
    await window("during", async () => {
      await attackFor(own);
      shares.push(own.share.used);
      tries += attack.tries;
    });
    await window("after", quiet);
  }
  const peak = await own.target.takePeakBytes();
  await own.target.assertUnmoved();
  p99s.push({
    before: median(waits.before.p99),
    elsewhere: median(waits.elsewhere.p99),
    during: median(waits.during.p99),
    after: median(waits.after.p99),
  });
  return [
    `\`${name}\``,
    attack.name,
    tries.toLocaleString("en"),
    effect,
    ...KINDS.map((kind) => describe(waits[kind])),
    median(shares).toFixed(2),
    (peak / 1024 / 1024).toFixed(0),
  ];
}

async function openStand(stack: AsyncDisposableStack, name: FunctionName): Promise<Stand> {
  const held: { back?: CoreShare } = {}; // Not before it is up.
  const target = stack.use(
    await startTarget(name, {
      ...(flags.deno !== undefined && { version: flags.deno }),
      pace: () => held.back?.turn(),
    }),
  );
  await pin(target.pid, SERVER_CORE);
  const share = held.back = coreShare(target.pid, mostUsed);
  return { target, share };
}

/** What those beside have waited for since the last call, in milliseconds. */
async function listen(bystanders: readonly Bystander[]): Promise<number[]> {
  return (await Promise.all(bystanders.map((bystander) => bystander.report()))).flat();
}

/** Keeps a process, all its threads and those to come on one core: servers on one, clients on the other. */
async function pin(pid: number, core: number): Promise<void> {
  const args = ["--all-tasks", "--cpu-list", "--pid", `${core}`, `${pid}`];
  const { success, stderr } = await new Deno.Command("taskset", { args, stdout: "null" }).output();
  if (!success) throw new Error(`Cannot keep process ${pid} on core ${core}: ${new TextDecoder().decode(stderr)}`);
}

function isLonger(ms: number, otherMs: number): boolean {
  return ms > otherMs * LONGER.ratio && ms > otherMs + LONGER.ms;
}

function newWaits(): Waits {
  return { p50: [], p99: [] };
}

function describe({ p50, p99 }: Waits): string {
  return `${median(p50).toFixed(1)}, ${median(p99).toFixed(1)}`;
}
