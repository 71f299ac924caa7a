import { assert, assertEquals } from "@std/assert";
import { callFunction, type Query, testSql } from "./open_sql.ts";

const MESSAGES = 100_000;
const LARGE = ["messages", "room_events", "room_members", "rooms"];
const READER = "00000000-0000-4000-8000-000000000001";
const WRITER = "00000000-0000-4000-8000-000000000002";

/** What the chat function calls, in the shapes that a growing room brings. */
const CALLS: readonly [string, Readonly<Record<string, unknown>>][] = [
  ["chat_join", { member: READER, room: "big", create_rooms: false }],
  ["chat_history", { reader: READER, room: "big", before: null, page: 50 }],
  ["chat_history", { reader: READER, room: "big", before: 50_000, page: 50 }],
  ["chat_events_since", { room: "big", since: MESSAGES - 100, page: 200 }],
  ["chat_events_since", { room: "big", since: 10, page: 200 }],
  ["chat_unread", { reader: READER, room: "big" }],
  ["chat_unread", { reader: READER, room: null }],
  ["chat_heads", { rooms: ["big", "other-1"], users: [READER] }],
  ["chat_changes", { rooms: ["big"], epochs: ["none"], heads: [1], users: [READER], digests: ["0:0"] }],
  ["chat_post", { writes: [{ kind: "message", actor: { id: READER }, room: "big", body: "x", client_id: "new" }] }],
  ["chat_post", { writes: [{ kind: "read", actor: { id: READER }, message_id: WRITER }] }],
];

testSql(`statements at ${MESSAGES} messages`, {
  // All in one session: a plan that was made on empty tables is kept until they are analyzed.
  "look rows up by index, with plans made before the tables grew and after": (sql) =>
    sql.as({ role: "service_role" }, async (query) => {
      await query("reset role");
      await query("load 'auto_explain'");
      for (const setting of ["log_min_duration = 0", "log_nested_statements = on", "log_level = notice"]) {
        await query(`set local auto_explain.${setting}`);
      }
      const plansOf = async (name: string, args: Readonly<Record<string, unknown>>) => {
        sql.notices.length = 0;
        await callFunction(query, name, args);
        return sql.notices.filter((notice) => notice.startsWith("duration"));
      };
      await openBigRoom(query);
      for (const [name, args] of CALLS) await plansOf(name, args);
      await fill(query);
      for (const isAnalyzed of [false, true]) {
        if (isAnalyzed) await query("analyze");
        for (const [name, args] of CALLS) {
          const plans = await plansOf(name, args);
          const text = `${name}, ${isAnalyzed ? "after" : "before"} analyze:\n${plans.join("\n")}`;
          assert(plans.some((plan) => plan.includes("Index")), text);
          assertEquals(plans.flatMap(wholeReads), [], text);
        }
      }
    }),

  async "a user's own query of the newest messages there walks the index"(sql) {
    const plan = await sql.as({ role: "authenticated", user: READER }, async (query) => {
      const rows = await query(
        "explain select id, body from messages where room_id = 'big' order by seq desc limit 50",
      );
      return rows.map((row) => row["QUERY PLAN"]).join("\n");
    });
    assert(plan.includes("Index Scan Backward using messages_in_log"), plan);
  },
}, { databases: ["postgres"] });

async function openBigRoom(query: Query): Promise<void> {
  await query("insert into auth.users (id) values ($1), ($2) on conflict do nothing", [READER, WRITER]);
  await query("select create_room('private', 'big', null, $1::text::uuid[])", [`{${READER},${WRITER}}`]);
}

/** All the messages in one room, and 2,000 rooms beside it. */
async function fill(query: Query): Promise<void> {
  await query("insert into rooms (id, kind) select 'other-' || n, 'private' from generate_series(1, 2000) n");
  await query("insert into room_members (room_id, user_id) select id, $1 from rooms where id like 'other%'", [WRITER]);
  await query(
    `with new as (
      insert into messages (room_id, seq, sender_id, body, client_id)
      select 'big', n + 1000, $1::uuid, 'message ' || n, n::text from generate_series(1, ${MESSAGES}) n returning *
    )
    insert into room_events (room_id, seq, kind, user_id, message_id, created_at)
    select room_id, seq, 'message', sender_id, id, created_at from new`,
    [WRITER],
  );
  await query(`update rooms set head = ${MESSAGES + 1000} where id = 'big'`);
  await query(`update room_members set read_seq = ${MESSAGES} where room_id = 'big'`);
}

/** The large tables that a plan reads from end to end. */
function wholeReads(plan: string): string[] {
  const tables = [...plan.matchAll(/Seq Scan on (?:public\.)?(\w+)/g)].map(([, table]) => table!);
  return tables.filter((table) => LARGE.includes(table));
}
