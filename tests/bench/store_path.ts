import { requires } from "../support/requires.ts";
import { signUp } from "../support/sign_up.ts";
import { startTestLocal, type TestLocal } from "../support/start_local.ts";
import { startPostgres } from "../support/start_postgres.ts";
import { median } from "./median.ts";
import { inTurn, type Load, openStand, type Round, runRound, type Stand } from "./stand.ts";
import { chatOn, type System, type SystemOptions } from "./systems.ts";
import type { Section } from "./table.ts";

export interface StorePathOptions extends SystemOptions {
  readonly rounds: number;
  readonly seconds: number;
  readonly log: (line: string) => void;
}

const MEMBERS = 10;
/** A pace that even one write a call keeps up with, for latencies that are not those of a queue. */
const PACED_PER_SECOND = 20;
const WARM_UP: Load = { durationMs: 2_000, perSecond: PACED_PER_SECOND };

/**
 * Messages a second through chat on the Supabase store, over the local project's REST API on a real PostgreSQL, with and
 * without group commit. Gives an empty table where PostgreSQL is not installed, and says how to install it.
 */
export async function benchStorePath(options: StorePathOptions): Promise<Section> {
  const { rounds, seconds, log } = options;
  const rows: string[][] = [];
  const section = { name: "store", columns: COLUMNS, rows };
  const postgresql = requires("postgresql");
  if (postgresql.ignore) {
    log(`store${postgresql.suffix}`);
    return section;
  }
  await using stack = new AsyncDisposableStack();
  const postgres = stack.use(await startPostgres(postgresql.path));
  const local = await startProject(stack, postgres.url);
  log("store: PostgreSQL and the local project are up");
  const members = await Promise.all(Array.from({ length: MEMBERS }, (_, n) => signUp(local, `member-${n}`)));
  const tokens = members.map(({ accessToken }) => accessToken);
  const systems: System[] = [false, true].map((groups) => chatOn(local, tokens, { ...options, groups }));

  for (const perSecond of [undefined, PACED_PER_SECOND]) {
    await using stack = new AsyncDisposableStack();
    const stands: Stand[] = [];
    for (const system of systems) stands.push(await openStand(stack, system, MEMBERS, WARM_UP));
    const load = perSecond === undefined ? "saturated" : `${perSecond} messages/s`;
    for (let round = 0; round < rounds; round++) {
      for (const stand of inTurn(stands, round)) {
        const paced = perSecond === undefined ? {} : { perSecond };
        const result = await runRound(stand, { durationMs: 2 * seconds * 1000, ...paced });
        log(`store: ${load}, round ${round + 1}: ${stand.system.name} ${perSecondOf(result).toFixed(0)} messages/s`);
      }
    }
    rows.push(...stands.map((stand) => rowOf(stand, stands[0]!, load)));
  }
  return section;
}

/** A local project without functions: the chat that is measured runs beside it, nothing else does. */
async function startProject(stack: AsyncDisposableStack, databaseUrl: string): Promise<TestLocal> {
  const functions = await Deno.makeTempDir();
  stack.defer(() => Deno.remove(functions));
  const local = stack.use(await startTestLocal({ databaseUrl, functionsDir: new URL(`file://${functions}/`) }));
  // Raised like the limits of a connection: it is checked, and not met.
  await local.sql("create or replace function edge_sockets.max_writes_per_user() returns integer return 1000000000");
  return local;
}

const COLUMNS = ["load", "writes", "messages/s", "times as many", "p50 ms", "p95 ms", "p99 ms", "CPU us/message"];

function rowOf({ system, rounds }: Stand, base: Stand, load: string): string[] {
  const of = (value: (round: Round) => number) => median(rounds.map(value));
  const factor = median(rounds.map((round, index) => perSecondOf(round) / perSecondOf(base.rounds[index]!)));
  return [
    load,
    system.name,
    of(perSecondOf).toFixed(0),
    factor.toFixed(2),
    of(({ p50Ms }) => p50Ms).toFixed(1),
    of(({ p95Ms }) => p95Ms).toFixed(1),
    of(({ p99Ms }) => p99Ms).toFixed(1),
    of(({ cpuUs, messages }) => cpuUs / messages).toFixed(0),
  ];
}

function perSecondOf({ messages, seconds }: Round): number {
  return messages / seconds;
}
