import { parseOpenMetrics } from "../support/parse_open_metrics.ts";
import { requires } from "../support/requires.ts";
import { signUp } from "../support/sign_up.ts";
import { startTestLocal, type TestLocal } from "../support/start_local.ts";
import { startPostgres } from "../support/start_postgres.ts";
import { median } from "./median.ts";
import { inTurn, type Load, openStand, type Round, runRound, type Stand } from "./stand.ts";
import { chatOn, type Project, type System, type SystemOptions } from "./systems.ts";
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
  const postgres = stack.use(await startPostgres(postgresql.path, COUNTING));
  const local = await startProject(stack, postgres.url);
  log("store: PostgreSQL and the local project are up");
  const members = await Promise.all(Array.from({ length: MEMBERS }, (_, n) => signUp(local, `member-${n}`)));
  const tokens = members.map(({ accessToken }) => accessToken);
  const counts = new Map<Stand, Counts[]>();
  const systems: System[] = [false, true].map((groups) => chatOn(local, tokens, { ...options, groups }));

  for (const perSecond of [undefined, PACED_PER_SECOND]) {
    await using stack = new AsyncDisposableStack();
    const stands: Stand[] = [];
    for (const system of systems) stands.push(await openStand(stack, system, MEMBERS, WARM_UP));
    const load = perSecond === undefined ? "saturated" : `${perSecond} messages/s`;
    for (let round = 0; round < rounds; round++) {
      for (const stand of inTurn(stands, round)) {
        const paced = perSecond === undefined ? {} : { perSecond };
        const before = await countsOf(local, stand);
        const result = await runRound(stand, { durationMs: 2 * seconds * 1000, ...paced });
        const after = await countsOf(local, stand);
        counts.set(stand, [...counts.get(stand) ?? [], perMessage(before, after, result)]);
        log(`store: ${load}, round ${round + 1}: ${stand.system.name} ${perSecondOf(result).toFixed(0)} messages/s`);
      }
    }
    rows.push(...stands.map((stand) => rowOf(stand, stands[0]!, load, counts.get(stand)!)));
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
  await local.sql("create extension pg_stat_statements");
  return local;
}

/** Has PostgreSQL count what it runs, inside functions too. */
const COUNTING = ["shared_preload_libraries=pg_stat_statements", "pg_stat_statements.track=all"];

/** What the way to the database has been used for; of a message, where it is divided by their number. */
interface Counts {
  /** Calls of this chat to REST, of all that the store is asked. */
  readonly calls: number;
  /** Statements that the database was sent, transactions and their settings too, by whomever. */
  readonly sent: number;
  /** The same with those that its functions and triggers run. */
  readonly run: number;
}

async function countsOf(local: Project & Pick<TestLocal, "sql">, { server: { host } }: Stand): Promise<Counts> {
  const metrics = await fetch(`http://${host}/chat/metrics`, { headers: { apikey: local.secretKey } });
  const samples = parseOpenMetrics(await metrics.text()).get("edge_sockets_store_call_seconds")?.samples ?? [];
  const calls = samples.filter(({ name }) => name.endsWith("_count")).reduce((sum, { value }) => sum + value, 0);
  const [{ sent, run } = { sent: 0, run: 0 }] = await local.sql<{ sent: number; run: number }>(
    `select coalesce(sum(calls) filter (where toplevel), 0)::float8 as sent, coalesce(sum(calls), 0)::float8 as run
       from pg_stat_statements where query not like '%pg_stat_statements%'`,
  );
  return { calls, sent, run };
}

function perMessage(before: Counts, after: Counts, { messages }: Round): Counts {
  const of = (name: keyof Counts) => (after[name] - before[name]) / messages;
  return { calls: of("calls"), sent: of("sent"), run: of("run") };
}

const COLUMNS = [
  ...["load", "writes", "messages/s", "times as many", "p50 ms", "p95 ms", "p99 ms", "CPU us/message"],
  ...["calls/message", "statements sent/message", "statements run/message"],
];

function rowOf({ system, rounds }: Stand, base: Stand, load: string, counts: readonly Counts[]): string[] {
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
    ...(["calls", "sent", "run"] as const).map((name) => median(counts.map((each) => each[name])).toFixed(2)),
  ];
}

function perSecondOf({ messages, seconds }: Round): number {
  return messages / seconds;
}
