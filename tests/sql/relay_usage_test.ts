import { assertEquals } from "@std/assert";
import { rpcUsageStore } from "../../shared/relay/openai/rpc_usage_store.ts";
import type { UsageRecord, UsageStore } from "../../shared/relay/openai/usage_store.ts";
import { USAGE_STORE_PROMISES, usageRecord } from "../conformance/usage_store_suite.ts";
import { type Caller, callFunction, codeOf, type Sql, testSql } from "./open_sql.ts";

const REFUSED = "42501";
const INVALID = "23514";
const TABLES = ["relay_usage", "relay_usage_days", "relay_budgets"];
const SERVER_FUNCTIONS = [
  "relay_begin_session('USER', 'talk', gen_random_uuid(), 60000, null, null)",
  "relay_record_usage('[]', '[]', 60000, null)",
  "relay_end_session('USER', 'talk', gen_random_uuid())",
];
const WRITES = [
  `insert into relay_usage (id, user_id, session, kind, subject, model, cost)
    values (gen_random_uuid(), 'USER', 's', 'response', 'r', 'm', 0)`,
  "insert into relay_usage_days (user_id, day) values ('USER', '2020-01-01')",
  "insert into relay_budgets (user_id, daily_budget) values ('USER', 1e9)",
];
const CHANGES = [
  "update relay_usage set cost = 0",
  "delete from relay_usage",
  "update relay_usage_days set cost = 0",
  "delete from relay_usage_days",
  "update relay_budgets set daily_budget = null",
  "delete from relay_budgets",
];

testSql("what the relay used", {
  // As the relay calls them: the promises of its port.
  ...Object.fromEntries(
    Object.entries(USAGE_STORE_PROMISES).map(([promise, test]) => [promise, (sql: Sql) => test(storeOf(sql))]),
  ),

  async "anon sees and calls nothing"(sql) {
    const { ann } = await twoUsers(sql);
    for (const table of TABLES) {
      assertEquals(await run(sql, { role: "anon" }, `select * from ${table}`), REFUSED, table);
    }
    for (const call of SERVER_FUNCTIONS) {
      assertEquals(await run(sql, { role: "anon" }, `select ${call}`, ann), REFUSED, call);
    }
  },

  async "a user reads his own, by kind of token, and nobody else's"(sql) {
    const { ann, bob } = await twoUsers(sql);
    const seen = (user: string) =>
      sql.as(as(user), async (query) => ({
        usage: await query(
          "select session, kind, subject, model, input_text, cached_audio, output_audio, cost from relay_usage order by cost",
        ),
        days: await query("select responses, tokens::integer, cost from relay_usage_days"),
        budgets: await query("select daily_budget, max_sessions from relay_budgets"),
      }));
    const of = {
      session: "talk",
      subject: "resp_1",
      model: "gpt-realtime",
      input_text: 10,
      cached_audio: 5,
      output_audio: 30,
    };
    assertEquals(await seen(ann), {
      usage: [{ ...of, kind: "response", cost: 1.5 }, { ...of, kind: "transcription", cost: 2 }],
      days: [{ responses: 1, tokens: 2 * (10 + 20 + 30), cost: 3.5 }],
      budgets: [],
    });
    assertEquals(await seen(bob), {
      usage: [{ ...of, kind: "response", cost: 7 }],
      days: [{ responses: 1, tokens: 60, cost: 7 }],
      budgets: [{ daily_budget: 1000, max_sessions: null }],
    });
  },

  async "a user writes nothing"(sql) {
    const { ann } = await twoUsers(sql);
    for (const write of [...WRITES, ...CHANGES]) assertEquals(await run(sql, as(ann), write, ann), REFUSED, write);
    for (const call of SERVER_FUNCTIONS) assertEquals(await run(sql, as(ann), `select ${call}`, ann), REFUSED, call);
    assertEquals(await run(sql, as(ann), "select * from edge_sockets.relay_leases"), REFUSED);
  },

  async "the secret key reads usage, writes budgets, and changes no usage but by the functions"(sql) {
    const { ann } = await twoUsers(sql);
    const server = { role: "service_role" } as const;
    const [usage, day, budget] = WRITES;
    assertEquals(await run(sql, server, usage!, ann), REFUSED);
    assertEquals(await run(sql, server, day!, ann), REFUSED);
    assertEquals(await run(sql, server, budget!, ann), "ok");
    assertEquals(await run(sql, server, "update relay_usage set cost = 0"), REFUSED);
  },

  async "a budget of one's own takes the place of the settings'"(sql) {
    const { ann, bob, begin } = await twoUsers(sql);
    const limits = { dailyBudget: 3, maxSessions: 1 };
    assertEquals([await begin(ann, limits), await begin(bob, limits), await begin(bob, limits)], [
      "budget_exceeded",
      "admitted",
      "admitted",
    ]);
    const set =
      "insert into relay_budgets values ($1, $2, $3) on conflict (user_id) do update set daily_budget = $2, max_sessions = $3";
    await sql.query(set, [ann, null, 0]);
    assertEquals(await begin(ann, limits), "too_many_sessions");
    await sql.query(set, [bob, 7, null]);
    assertEquals(await begin(bob, { dailyBudget: null, maxSessions: null }), "budget_exceeded");
  },

  async "each day (UTC) begins anew"(sql) {
    const { ann, begin } = await twoUsers(sql);
    await sql.query("update relay_usage_days set day = day - 1 where user_id = $1", [ann]);
    assertEquals(await begin(ann, { dailyBudget: 3, maxSessions: null }), "admitted");
  },

  async "what no response can have used is not stored"(sql) {
    const { ann, record } = await twoUsers(sql);
    assertEquals(await codeOf(record(usageRecord(ann, { output_text: -1 }))), INVALID);
    assertEquals(await codeOf(record(usageRecord(ann, { sessionId: "" }))), INVALID);
  },

  async "a user whom the database cannot know is told so"(sql) {
    const { begin } = await twoUsers(sql);
    assertEquals(await begin("auth0|1", { dailyBudget: null, maxSessions: null }), "forbidden");
  },

  async "the policies hold by themselves where everything is granted to everyone"(sql) {
    const { ann, bob } = await twoUsers(sql);
    await sql.script(`
      grant all on all tables in schema public to anon, authenticated;
      grant all on all functions in schema public to anon, authenticated;
      grant all on all functions in schema edge_sockets to anon, authenticated;
    `);
    for (const write of WRITES) assertEquals(await run(sql, as(ann), write, ann), REFUSED, write);
    for (const call of SERVER_FUNCTIONS) assertEquals(await run(sql, as(ann), `select ${call}`, ann), REFUSED, call);
    for (const change of CHANGES) {
      const rows = await sql.as(as(ann), (query) => query(`${change} returning 1`));
      assertEquals(rows.length, 0, change);
    }
    for (const table of TABLES) {
      const others = await sql.as(as(ann), (query) => query(`select 1 from ${table} where user_id = $1`, [bob]));
      assertEquals(others, [], table);
    }
  },
});

/** Ann, who used 3.5 of her budget, and Bob, who used 7 and has a budget of his own. */
async function twoUsers(sql: Sql) {
  const [{ id: ann }, { id: bob }] = [await sql.newUser(), await sql.newUser()];
  const store = storeOf(sql);
  const record = (...usage: UsageRecord[]) =>
    store.record({ usage, leases: [] }, { dailyBudget: null, maxSessions: null }, 60_000);
  await record(
    usageRecord(ann, { cost: 1.5 }),
    usageRecord(ann, { kind: "transcription", cost: 2 }),
    usageRecord(bob, { cost: 7 }),
  );
  await sql.query("insert into relay_budgets (user_id, daily_budget) values ($1, 1000)", [bob]);
  const begin = (userId: string, limits: Parameters<typeof store.begin>[1]) =>
    store.begin({ userId, sessionId: crypto.randomUUID(), lease: crypto.randomUUID() }, limits, 60_000);
  return { ann, bob, record, begin };
}

/** The functions, called with the secret key. */
function storeOf(sql: Sql): UsageStore {
  return rpcUsageStore((name, args) => sql.as({ role: "service_role" }, (query) => callFunction(query, name, args)));
}

function as(user: string): Caller {
  return { role: "authenticated", user };
}

/** Runs a statement, with the user's id in place of USER; gives its SQLSTATE, or `ok`. */
function run(sql: Sql, caller: Caller, statement: string, user = ""): Promise<string> {
  return codeOf(sql.as(caller, (query) => query(statement.replaceAll("USER", user))));
}
