import { median } from "./median.ts";
import { inTurn, type Load, openStand, type Round, runRound, type Stand, warmUp } from "./stand.ts";
import type { System } from "./systems.ts";
import type { Section } from "./table.ts";

/** How many members a room has, and what is sent into it. */
export interface FanOutCase extends Load {
  readonly members: number;
  /** The load as the table says it. */
  readonly load: string;
}

/** Rooms of each size saturated; the smallest with little happening in it, large ones paced to 40,000 deliveries a second. */
export function fanOutCases({ members, seconds }: { members: readonly number[]; seconds: number }): FanOutCase[] {
  const durationMs = seconds * 1000;
  return members.flatMap((count): FanOutCase[] => [
    { members: count, load: "saturated", durationMs },
    count < 100
      ? { members: count, load: "5 messages/s", perSecond: 5, durationMs: 5 * durationMs }
      : { members: count, load: "40,000 deliveries/s", perSecond: PACED_DELIVERIES / count, durationMs },
  ]);
}

/** Deliveries a second of a large room that is not saturated. */
const PACED_DELIVERIES = 40_000;

export interface FanOutOptions {
  /** The first is the one that the others are compared with. */
  readonly systems: readonly System[];
  readonly cases: readonly FanOutCase[];
  readonly rounds: number;
  readonly log: (line: string) => void;
}

/**
 * CPU per delivered message of each system, on one machine at one time: all servers stand beside each other, the rounds
 * of the systems alternate, and what is compared are those of the same round.
 */
export async function benchFanOut({ systems, cases, rounds, log }: FanOutOptions): Promise<Section> {
  const rows: string[][] = [];
  for (const fanOutCase of cases) {
    // Servers of its own for each case: what the last one left on the heap would be collected in this one.
    await using stack = new AsyncDisposableStack();
    const stands: Stand[] = [];
    const name = `fan-out: ${fanOutCase.members} members, ${fanOutCase.load}`;
    for (const system of systems) {
      stands.push(await openStand(stack, system, fanOutCase.members, warmUpOf(fanOutCase)));
      log(`${name}: ${system.name} is warm`);
    }
    await settle(stands, fanOutCase);
    const { durationMs, perSecond } = fanOutCase;
    for (let round = 0; round < rounds; round++) {
      for (const stand of inTurn(stands, round)) {
        const result = await runRound(stand, perSecond === undefined ? { durationMs } : { durationMs, perSecond });
        log(`${name}, round ${round + 1}: ${stand.system.name} ${describe(result)}`);
      }
    }
    rows.push(...stands.map((stand) => rowOf(stand, stands[0]!, fanOutCase)));
  }
  return { name: "fan-out", columns: COLUMNS, rows };
}

/**
 * Has the engine compile what will run; before a paced case by no more messages than the servers can send on as they come,
 * for what they have to keep meanwhile leaves a large heap behind.
 */
function warmUpOf({ perSecond, members }: FanOutCase): Load {
  const durationMs = 2_000;
  if (perSecond === undefined) return { durationMs };
  return { durationMs, perSecond: Math.max(perSecond, Math.min(300, PACED_DELIVERIES / members)) };
}

/** For how long a quiet case goes on before it counts. */
const SETTLE_MS = 30_000;

/**
 * Before a quiet case: by then the engine has compiled in the background what the warm-up had made hot, and has collected
 * what it left, which it does some seconds after. Either costs more than all messages of a round.
 */
async function settle(stands: readonly Stand[], { perSecond = Infinity, members }: FanOutCase): Promise<void> {
  if (perSecond * members >= PACED_DELIVERIES) return;
  await Promise.all(stands.map((stand) => warmUp(stand, { durationMs: SETTLE_MS, perSecond })));
}

const COLUMNS = [
  "members",
  "load",
  "system",
  "us/delivery",
  "ratio",
  "lowest–highest",
  "to others",
  "frames/delivery",
  "deliveries/s",
  "CPU",
  "p50 ms",
  "p95 ms",
  "p99 ms",
];

function rowOf({ system, rounds }: Stand, base: Stand, { members, load }: FanOutCase): string[] {
  const of = (value: (round: Round) => number) => median(rounds.map(value));
  const ratios = rounds.map((round, index) => perDelivery(round) / perDelivery(base.rounds[index]!));
  const toOthers = rounds.map((round, index) => perDeliveryToOthers(round) / perDeliveryToOthers(base.rounds[index]!));
  return [
    members.toLocaleString("en"),
    load,
    system.name,
    of(perDelivery).toFixed(2),
    median(ratios).toFixed(2),
    `${Math.min(...ratios).toFixed(2)}–${Math.max(...ratios).toFixed(2)}`,
    median(toOthers).toFixed(2),
    of(({ frames, deliveries }) => frames / deliveries).toFixed(3),
    Math.round(of(({ deliveries, seconds }) => deliveries / seconds)).toLocaleString("en"),
    of(({ cpuUs, seconds }) => cpuUs / seconds / 1_000_000).toFixed(2),
    of(({ p50Ms }) => p50Ms).toFixed(1),
    of(({ p95Ms }) => p95Ms).toFixed(1),
    of(({ p99Ms }) => p99Ms).toFixed(1),
  ];
}

function perDelivery({ cpuUs, deliveries }: Round): number {
  return cpuUs / deliveries;
}

function perDeliveryToOthers({ cpuUs, deliveriesToOthers }: Round): number {
  return cpuUs / deliveriesToOthers;
}

function describe(round: Round): string {
  const rate = Math.round(round.deliveries / round.seconds).toLocaleString("en");
  return `${perDelivery(round).toFixed(2)} us per delivery at ${rate}/s, ${round.deliveries} deliveries verified`;
}
