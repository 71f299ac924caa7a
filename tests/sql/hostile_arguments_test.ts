import { assert, assertEquals } from "@std/assert";
import type { Sender } from "../../shared/protocol/chat_server_frames.ts";
import { type Caller, codeOf, type Sql, testSql } from "./open_sql.ts";

const SECRET = "the treasure lies under the old oak";
const NOBODY = "00000000-0000-0000-0000-000000000000";

/**
 * The SQLSTATEs by which a call may be refused: bad values (22), constraints (23), rights (42501), sizes (54), and the
 * refusals of our own (PT4..). Anything else is a statement that the arguments have broken.
 */
const REFUSALS = /^(ok|22\w{3}|23\w{3}|42501|54\w{3}|PT4\d\d)$/;

const TEXTS = [
  null,
  "",
  " ",
  "private",
  "dm:x",
  "'; drop table messages; --",
  "') union select body from messages --",
  "$$; select pg_sleep(60); $$",
  "%s%n%x",
  "public.rooms",
  "../../etc/passwd",
  "\u202e\u2066🦊",
  "x".repeat(1_000_000),
];
const UUIDS = [null, NOBODY, "ffffffff-ffff-ffff-ffff-ffffffffffff", "x", "", "{}", "1"];
const WHOLE_NUMBERS = [null, "0", "-1", "9223372036854775807", "-9223372036854775808", "1e3", "NaN", "9".repeat(40)];

/** Values for an argument of each type, as text that is cast to it. */
const HOSTILE: Readonly<Record<string, readonly (string | null)[]>> = {
  text: TEXTS,
  uuid: UUIDS,
  bigint: WHOLE_NUMBERS,
  integer: [...WHOLE_NUMBERS, "2147483647", "-2147483648"],
  boolean: [null, "true", "perhaps"],
  "double precision": [null, "0", "-1", "NaN", "Infinity", "-Infinity", "1e308", "1e999", "x"],
  "timestamp with time zone": [null, "infinity", "-infinity", "epoch", "4714-11-24 00:00 BC", "294276-12-31", "x"],
  "text[]": [null, "{}", "{NULL}", "{private,private}", `{${"x".repeat(100_000)}}`, "{{private},{public}}", "x"],
  "bigint[]": [null, "{}", "{NULL}", "{1,-1}", "{{1},{2}}", `{${"9".repeat(40)}}`, "{x}"],
  "uuid[]": [null, "{}", "{NULL}", `{${NOBODY}}`, `{${Array(2_000).fill(NOBODY)}}`, `{{${NOBODY}},{${NOBODY}}}`, "{x}"],
  jsonb: [
    null,
    "null",
    "{}",
    "[]",
    "[null]",
    "[[]]",
    "1",
    '"x"',
    '[{"kind":"nothing"}]',
    '[{"kind":"message"}]',
    '[{"kind":null,"actor":null}]',
    '[{"kind":"message","actor":{"id":"x"},"room":"private","body":"x"}]',
    `[{"kind":"message","actor":{"id":"${NOBODY}"},"room":{"a":1},"body":[]}]`,
    `[{"kind":"delete","actor":{"id":"${NOBODY}"},"message_id":"x"}]`,
    `[{"kind":"react","actor":{"id":"${NOBODY}"},"message_id":"${NOBODY}"}]`,
    `${"[".repeat(3_000)}${"]".repeat(3_000)}`,
    `${"[".repeat(20_000)}${"]".repeat(20_000)}`,
    `"${"x".repeat(1_000_000)}"`,
    "not JSON",
  ],
};

/** A function that the REST API shows, with its arguments. */
interface Called {
  readonly name: string;
  readonly args: readonly { readonly name: string; readonly type: string }[];
}

testSql("functions with hostile arguments", {
  async "anon, users and the server get a refusal or an answer; nothing is broken and nothing leaks"(sql) {
    const { ann, eve } = await treasure(sql);
    const functions = await publicFunctions(sql);
    const types = new Set(functions.flatMap(({ args }) => args.map(({ type }) => type)));
    assertEquals([...types].filter((type) => !(type in HOSTILE)), [], "types without hostile values");
    const before = await wholeOf(sql, "private");
    const callers: [string, Caller][] = [
      ["anon", { role: "anon" }],
      ["an outsider", { role: "authenticated", user: eve.id }],
      ["the server", { role: "service_role" }],
    ];
    const counts: Record<string, number> = {};
    for (const fn of functions) {
      for (const args of hostileCalls(fn, ann)) {
        for (const [who, caller] of callers) {
          const call = `${who}: ${fn.name}(${JSON.stringify(args).slice(0, 300)})`;
          let answer = "";
          const code = await codeOf(sql.as(caller, async (query) => {
            const list = fn.args.map(({ name, type }, index) => `${name} => $${index + 1}::text::${type}`);
            answer = JSON.stringify(await query(`select public.${fn.name}(${list}) as value`, args));
            // The server may do what it asks for: here it is taken back.
            if (who === "the server") throw Object.assign(new Error("Rolled back"), { code: "ok" });
          }));
          assert(REFUSALS.test(code), `${call} came to ${code}`);
          if (who === "anon") assertEquals(code === "ok", false, call);
          // Who asks as the server sees what the server may see.
          if (who !== "the server") assert(!answer.includes(SECRET), `${call} gave ${answer}`);
          counts[code] = (counts[code] ?? 0) + 1;
        }
      }
    }
    assert(Object.values(counts).reduce((sum, count) => sum + count) > 1_000, JSON.stringify(counts));
    assertEquals(await wholeOf(sql, "private"), before);
    await assertLogsAreWhole(sql);
  },

  async "a schema that stands first in the search_path changes nothing"(sql) {
    const { ann, eve } = await treasure(sql);
    await sql.script(`
      create schema if not exists trap;
      grant usage on schema trap to anon, authenticated, service_role;
      create or replace function trap.count(text) returns bigint language sql as 'select 42::bigint';
      create or replace function trap.lower(text) returns text
        language plpgsql as $$ begin raise exception 'trapped'; end $$;
      create or replace function trap.equal(text, text) returns boolean language sql as 'select true';
      create or replace function trap.equal(uuid, uuid) returns boolean language sql as 'select true';
      drop operator if exists trap.= (text, text);
      drop operator if exists trap.= (uuid, uuid);
      create operator trap.= (leftarg = text, rightarg = text, function = trap.equal);
      create operator trap.= (leftarg = uuid, rightarg = uuid, function = trap.equal);
      create table if not exists trap.rooms (like public.rooms);
      create table if not exists trap.room_members (like public.room_members);
      grant all on all tables in schema trap to anon, authenticated, service_role;
    `);
    for (const path of ["trap, public, pg_temp", "pg_temp, trap, pg_catalog, public"]) {
      const inTrap = (caller: Caller, call: string, ...params: unknown[]) =>
        sql.as(caller, async (query) => {
          await query("select set_config('search_path', $1, true)", [path]);
          return await query(`select public.${call} as value`, params);
        });
      const asEve: Caller = { role: "authenticated", user: eve.id };
      assertEquals(await codeOf(inTrap(asEve, "send_message('private', 'x')")), "PT404");
      assertEquals(await codeOf(inTrap(asEve, "add_member('private', $1::text::uuid)", eve.id)), "PT404");
      assertEquals(await codeOf(inTrap(asEve, "mark_read('private', 9)")), "PT404");
      const asAnn: Caller = { role: "authenticated", user: ann.id };
      const [row] = await inTrap(asAnn, "mark_read('private', 9)");
      assertEquals(Number(row!.value), 0);
      const [page] = await inTrap({ role: "service_role" }, "chat_events_since('private', 0, 10)");
      assert(JSON.stringify(page).includes(SECRET));
    }
  },

  async "an outsider learns nothing of rows that he may not see: not by errors, locks, statistics or conflicts"(sql) {
    const { eve } = await treasure(sql);
    await sql.script("analyze");
    const asEve: Caller = { role: "authenticated", user: eve.id };
    const ask = (text: string) => sql.as(asEve, (query) => query(text));
    // A condition that fails on a row would tell that there is one: the policy is asked before it.
    assertEquals(await ask("select 1 from messages where 1 / (position('treasure' in body) - 5) = 7"), []);
    assertEquals(await ask("select 1 from messages where body::integer = 1"), []);
    assertEquals(await ask("select * from pg_stats where tablename in ('messages', 'rooms', 'room_members')"), []);
    for (
      const statement of [
        "select * from messages for update",
        "lock table messages in access exclusive mode",
        "truncate messages",
        "select * from pg_statistic",
        "select edge_sockets.append('private', 'message', gen_random_uuid(), null, null, now())",
        "select edge_sockets.post('[]')",
        "alter table messages disable row level security",
        "create policy p on messages using (true)",
        "create function public.mine() returns integer language sql as 'select 1'",
      ]
    ) assertEquals(await codeOf(ask(statement)), "42501", statement);
    // The claims are what the REST API was given: a statement of the user's own never runs beside them.
    assertEquals(await codeOf(ask("select edge_sockets.require_server()")), "42501");
  },
}, { databases: ["postgres"] });

/** Every function of the schema that the REST API shows. */
async function publicFunctions(sql: Sql): Promise<Called[]> {
  const rows = await sql.query(`
    select p.proname as name, coalesce(json_agg(json_build_object('name', a.name, 'type', format_type(a.type, null))
      order by a.place) filter (where a.name is not null), '[]') as args
    from pg_proc p
    left join lateral unnest(p.proargnames[:p.pronargs], p.proargtypes::oid[]) with ordinality as a (name, type, place) on true
    where p.pronamespace = 'public'::regnamespace and p.prorettype <> 'trigger'::regtype
    group by p.oid, p.proname order by p.proname`);
  assert(rows.length > 10);
  return rows as unknown as Called[];
}

/** Calls in which each argument in turn is hostile while the others are good, and some in which all are. */
function hostileCalls({ args }: Called, ann: Sender): (string | null)[][] {
  const good = args.map(({ name, type }) => goodValue(name, type, ann));
  const one = args.flatMap(({ type }, place) =>
    HOSTILE[type]!.map((value) => good.map((other, index) => index === place ? value : other))
  );
  const all = Array.from({ length: 12 }, (_, n) =>
    args.map(({ type }, index) => {
      const values = HOSTILE[type]!;
      return values[(n * 7 + index * 3) % values.length]!;
    }));
  return args.length === 0 ? [[]] : [...one, ...all];
}

function goodValue(name: string, type: string, ann: Sender): string | null {
  switch (type) {
    case "uuid":
      return ann.id;
    case "bigint":
    case "integer":
      return "10";
    case "boolean":
      return "false";
    case "timestamp with time zone":
      return "now";
    case "uuid[]":
      return `{${ann.id}}`;
    case "text[]":
      return "{private}";
    case "jsonb":
      return "[]";
    default:
      return ({ kind: "private", role: "member", room: "private", id: "private" } as Record<string, string>)[name] ??
        "x";
  }
}

/** A private room of Ann and Bob that holds a secret. Rooms of an earlier test are gone. */
async function treasure(sql: Sql) {
  await sql.query("delete from rooms");
  const [ann, bob, eve] = [await sql.newUser("Ann"), await sql.newUser("Bob"), await sql.newUser("Eve")];
  await sql.query("select create_room('private', 'private', null, $1::text::uuid[])", [`{${ann.id},${bob.id}}`]);
  const [sent] = await sql.store.post([{ kind: "message", actor: ann, room: "private", body: SECRET }]);
  assert(sent!.ok);
  return { ann, bob, eve };
}

/** All that there is of a room, but what its members have read. */
async function wholeOf(sql: Sql, room: string): Promise<unknown> {
  const rows = await sql.query(
    `select
      (select json_agg(r) from (select id, kind, epoch from rooms where id = $1) r) as rooms,
      (select json_agg(m order by m.user_id) from (select user_id, role from room_members where room_id = $1) m) as members,
      (select json_agg(m order by m.seq) from messages m where m.room_id = $1 and m.sender_id <> $2) as messages`,
    [room, NOBODY],
  );
  return rows[0];
}

/** In every room the log has no gap, and ends where the room says. */
async function assertLogsAreWhole(sql: Sql): Promise<void> {
  const broken = await sql.query(`
    select r.id, r.head, r.floor, count(e.seq) as events from rooms r left join room_events e on e.room_id = r.id
    group by r.id having max(e.seq) <> r.head or max(e.seq) - min(e.seq) + 1 <> count(e.seq)`);
  assertEquals(broken, []);
}
