import { median } from "./median.ts";
import { inTurn, type Load, openStand, type Round, runRound, type Stand } from "./stand.ts";
import type { System } from "./systems.ts";
import type { Section } from "./table.ts";

export interface HalfLoadOptions {
  /** The first is the one whose half load it is, and that the others are compared with. */
  readonly systems: readonly System[];
  readonly members: number;
  readonly rounds: number;
  readonly seconds: number;
  readonly log: (line: string) => void;
}

/** Saturated rounds from which half the load is taken. */
const SATURATED_ROUNDS = 3;
const WARM_UP: Load = { durationMs: 2_000 };

/**
 * How long a message takes where a server has time for it: from the send to the delivery, at half as many deliveries a
 * second as the first system reaches saturated on this machine at this time. All stand beside each other, and take turns.
 * The same system once more shows what is chance.
 */
export async function benchHalfLoad({ systems, members, rounds, seconds, log }: HalfLoadOptions): Promise<Section> {
  await using stack = new AsyncDisposableStack();
  const stands: Stand[] = [];
  for (const system of systems) stands.push(await openStand(stack, system, members, WARM_UP));
  const load = await halfLoadOf(stands[0]!, members, seconds * 1000);
  log(`half-load: ${Math.round(load.perSecond * members)} deliveries a second to ${members} members`);
  for (let round = 0; round < rounds; round++) {
    for (const stand of inTurn(stands, round)) {
      const { p50Ms, p99Ms } = await runRound(stand, load);
      log(`half-load, round ${round + 1}: ${stand.system.name} p50 ${p50Ms.toFixed(1)} ms, p99 ${p99Ms.toFixed(1)} ms`);
    }
  }
  return { name: "half-load", columns: COLUMNS, rows: stands.map((stand) => rowOf(stand, stands[0]!, members)) };
}

/** Saturates a stand, whose rounds begin anew then. */
async function halfLoadOf(stand: Stand, members: number, durationMs: number): Promise<Required<Load>> {
  for (let round = 0; round < SATURATED_ROUNDS; round++) await runRound(stand, { durationMs });
  const perSecond = median(stand.rounds.splice(0).map(({ deliveries, seconds }) => deliveries / seconds)) / 2 / members;
  return { durationMs, perSecond };
}

const COLUMNS = [
  "members",
  "system",
  "deliveries/s",
  "p50 ms",
  "ratio of p50",
  "p99 ms",
  "ratio of p99",
  "lowest–highest",
  "CPU",
];

/** The ratios are those of the medians: the latest of a hundred deliveries is chance in a single round. */
function rowOf({ system, rounds }: Stand, base: Stand, members: number): string[] {
  const of = (value: (round: Round) => number) => median(rounds.map(value));
  const toBase = (value: (round: Round) => number) => of(value) / median(base.rounds.map(value));
  const p99Ratios = rounds.map(({ p99Ms }, index) => p99Ms / base.rounds[index]!.p99Ms);
  return [
    members.toLocaleString("en"),
    system.name,
    Math.round(of(({ deliveries, seconds }) => deliveries / seconds)).toLocaleString("en"),
    of(({ p50Ms }) => p50Ms).toFixed(1),
    toBase(({ p50Ms }) => p50Ms).toFixed(2),
    of(({ p99Ms }) => p99Ms).toFixed(1),
    toBase(({ p99Ms }) => p99Ms).toFixed(2),
    `${Math.min(...p99Ratios).toFixed(2)}–${Math.max(...p99Ratios).toFixed(2)}`,
    of(({ cpuUs, seconds }) => cpuUs / seconds / 1_000_000).toFixed(2),
  ];
}
