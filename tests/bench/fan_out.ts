import { cpuUsedUs, readCpu } from "./cpu_clock.ts";
import type { LoadResult } from "./load/protocol.ts";
import { type LoadClient, startLoadClient } from "./load/start_load_client.ts";
import type { BenchServer } from "./start_server.ts";
import { median, rotated } from "./statistics.ts";
import type { System } from "./systems.ts";
import type { Section } from "./table.ts";

/** How many members a room has, and what is sent into it. */
export interface FanOutCase {
  readonly members: number;
  /** As the table says it. */
  readonly load: string;
  /** Messages a second from all senders; saturated where left out. */
  readonly perSecond?: number;
  readonly durationMs: number;
}

/** Rooms of 10 and 100 (and 1,000), busy; one that is paced to 40,000 deliveries a second, and one in which little happens. */
export function fanOutCases({ members, seconds }: { members: readonly number[]; seconds: number }): FanOutCase[] {
  const durationMs = seconds * 1000;
  return members.flatMap((count): FanOutCase[] => [
    { members: count, load: "saturated", durationMs },
    ...(count === 10 ? [{ members: count, load: "5 messages/s", perSecond: 5, durationMs: 4 * durationMs }] : []),
    ...(count >= 100
      ? [{ members: count, load: "40,000 deliveries/s", perSecond: 40_000 / count, durationMs: 1.5 * durationMs }]
      : []),
  ]);
}

export interface FanOutOptions {
  /** The first is the one that the others are compared with. */
  readonly systems: readonly System[];
  readonly cases: readonly FanOutCase[];
  readonly rounds: number;
  readonly log: (line: string) => void;
}

const SENDERS = 5;
const MESSAGE_BYTES = 200;
/** Messages of each sender under way when saturated: enough that the server never waits for the client. */
const IN_FLIGHT = 20;
const WARM_UP_MS = 2_000;

interface Entry {
  readonly system: System;
  readonly server: BenchServer;
  readonly client: LoadClient;
  readonly rounds: Round[];
}

interface Round extends LoadResult {
  readonly cpuUs: number;
}

/**
 * CPU per delivered message of each system, on one machine at one time: all servers stand beside each other, the rounds
 * of the systems alternate, and what is compared are those of the same round.
 */
export async function benchFanOut({ systems, cases, rounds, log }: FanOutOptions): Promise<Section> {
  const rows: string[][] = [];
  for (const members of new Set(cases.map(({ members }) => members))) {
    await using stack = new AsyncDisposableStack();
    const entries: Entry[] = [];
    for (const system of systems) {
      const [server, client] = [stack.use(await system.start()), stack.use(startLoadClient())];
      const urls = await Promise.all(Array.from({ length: members }, (_, n) => system.url(server, ROOM, n)));
      await client.join({ room: ROOM, urls, senders: SENDERS, dialect: system.dialect });
      await client.load({ room: ROOM, durationMs: WARM_UP_MS, messageBytes: MESSAGE_BYTES, inFlight: IN_FLIGHT });
      entries.push({ system, server, client, rounds: [] });
      log(`fan-out: ${system.name} is warm with ${members} members`);
    }
    for (const fanOutCase of cases.filter((other) => other.members === members)) {
      for (const entry of entries) entry.rounds.length = 0;
      for (let round = 0; round < rounds; round++) {
        for (const entry of rotated(entries, round)) {
          entry.rounds.push(await measure(entry, fanOutCase));
          log(describe(entry, fanOutCase, round));
        }
      }
      rows.push(...entries.map((entry) => rowOf(entry, entries[0]!, fanOutCase)));
    }
  }
  return { name: "fan-out", columns: COLUMNS, rows };
}

const ROOM = "bench";

async function measure({ server, client }: Entry, { perSecond, durationMs }: FanOutCase): Promise<Round> {
  const before = await readCpu(server.pid);
  const result = await client.load({
    room: ROOM,
    durationMs,
    messageBytes: MESSAGE_BYTES,
    inFlight: IN_FLIGHT,
    ...(perSecond !== undefined && { perSecond }),
  });
  return { ...result, cpuUs: cpuUsedUs(before, await readCpu(server.pid)) };
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

function rowOf({ system, rounds }: Entry, base: Entry, { members, load }: FanOutCase): string[] {
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

function describe({ system, rounds }: Entry, { members, load }: FanOutCase, round: number): string {
  const last = rounds.at(-1)!;
  const rate = Math.round(last.deliveries / last.seconds).toLocaleString("en");
  return `fan-out: ${members} members, ${load}, round ${round + 1}: ${system.name} ` +
    `${perDelivery(last).toFixed(2)} us per delivery at ${rate}/s, ${last.deliveries} deliveries verified`;
}
