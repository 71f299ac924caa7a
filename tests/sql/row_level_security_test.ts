import { assertEquals } from "@std/assert";
import type { Sender } from "../../shared/protocol/chat_server_frames.ts";
import { type Caller, codeOf, type Query, type Sql, testSql } from "./open_sql.ts";

const REFUSED = "42501";
const TABLES = ["rooms", "room_members", "messages", "reactions", "room_events"];
const SERVER_FUNCTIONS = [
  `chat_post('[{"kind":"message","actor":{"id":"USER"},"room":"private","body":"forged"}]')`,
  "chat_join('USER', 'public', true)",
  "chat_open_direct('USER', 'USER')",
  "chat_events_since('private', 0, 10)",
  "chat_heads('{private}', '{USER}')",
  "chat_changes('{private}', '{none}', '{0}', '{USER}', '{none}')",
  "chat_history('USER', 'private', null, 10)",
  "chat_unread('USER', 'private')",
  "trim_room_log('private', 0)",
];
const WRITES = [
  "insert into rooms (id, kind) values ('mine', 'public')",
  "insert into room_members (room_id, user_id, role) values ('private', 'USER', 'owner')",
  "insert into messages (room_id, sender_id, body) values ('public', 'USER', 'forged')",
  "insert into reactions (message_id, emoji, user_id) select id, 'x', 'USER' from messages limit 1",
  "insert into room_events (room_id, seq, kind, user_id, created_at) values ('public', 99, 'message', 'USER', now())",
];

testSql("row level security", {
  async "anon sees and calls nothing"(sql) {
    const { outsider } = await twoRooms(sql);
    for (const table of TABLES) {
      assertEquals(await run(sql, { role: "anon" }, `select * from ${table}`), REFUSED, table);
    }
    for (const call of [...SERVER_FUNCTIONS, "unread_counts()", "create_room('public', 'x')", "open_direct('USER')"]) {
      assertEquals(await run(sql, { role: "anon" }, `select ${call}`, outsider.id), REFUSED, call);
    }
  },

  async "a member reads his rooms, an outsider the public ones"(sql) {
    const { member, outsider } = await twoRooms(sql);
    const seen = (user: Sender) =>
      sql.as(as(user), async (query) => ({
        rooms: await list(query, "select id as value from rooms order by id"),
        members: await list(query, "select distinct room_id as value from room_members order by 1"),
        messages: await list(query, "select body as value from messages order by body"),
        reactions: await list(query, "select emoji as value from reactions order by emoji"),
      }));
    assertEquals(await seen(member), {
      rooms: ["private", "public"],
      members: ["private", "public"],
      messages: ["open", "secret"],
      reactions: ["🔑", "🚪"],
    });
    assertEquals(await seen(outsider), { rooms: ["public"], members: [], messages: ["open"], reactions: ["🚪"] });
  },

  async "a user writes nothing but through the functions, and reads no log"(sql) {
    const { member } = await twoRooms(sql);
    for (const write of [...WRITES, ...CHANGES]) {
      assertEquals(await run(sql, as(member), write, member.id), REFUSED, write);
    }
    assertEquals(await run(sql, as(member), "select * from room_events"), REFUSED);
    assertEquals(await run(sql, as(member), "select * from edge_sockets.message_rates"), REFUSED);
    for (const call of SERVER_FUNCTIONS) {
      assertEquals(await run(sql, as(member), `select ${call}`, member.id), REFUSED, call);
    }
  },

  async "the policies hold by themselves where everything is granted to everyone"(sql) {
    const { member, outsider } = await twoRooms(sql);
    await sql.script(`
      grant all on all tables in schema public to anon, authenticated;
      grant all on all functions in schema public to anon, authenticated;
      grant all on all functions in schema edge_sockets to anon, authenticated;
    `);
    for (const user of [member, outsider]) {
      for (const write of WRITES) assertEquals(await run(sql, as(user), write, user.id), REFUSED, write);
      for (const call of SERVER_FUNCTIONS) {
        assertEquals(await run(sql, as(user), `select ${call}`, user.id), REFUSED, call);
      }
      const changed = await sql.as(as(user), (query) => changedRows(query));
      assertEquals(changed, CHANGES.map(() => 0));
      assertEquals(await sql.as(as(user), (query) => query("select * from room_events")), []);
    }
    const seenBy = (caller: Caller) =>
      sql.as(caller, async (query) => await list(query, "select body as value from messages order by body"));
    assertEquals(await seenBy(as(outsider)), ["open"]);
    assertEquals(await seenBy({ role: "anon" }), []);
  },

  async "a user who was removed sees no more of the room"(sql) {
    const { member, owner } = await twoRooms(sql);
    const bodies = () => sql.as(as(member), (query) => list(query, "select body as value from messages order by body"));
    assertEquals(await bodies(), ["open", "secret"]);
    await sql.as(as(owner), (query) => query("select remove_member('private', $1)", [member.id]));
    assertEquals(await bodies(), ["open"]);
  },

  async "every function sets an empty search_path or was parsed when it was made"(sql) {
    const open = await sql.query(`
      select p.oid::regprocedure::text as name from pg_proc p
      where p.pronamespace in ('public'::regnamespace, 'edge_sockets'::regnamespace)
        and p.prosqlbody is null and not 'search_path=""' = any (coalesce(p.proconfig, '{}'))
    `);
    assertEquals(open, []);
  },

  async "every table in public has row level security"(sql) {
    const open = await sql.query(
      "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r' and not relrowsecurity",
    );
    assertEquals(open, []);
  },
});

const CHANGES = [
  "update rooms set head = 0",
  "delete from rooms",
  "update room_members set role = 'owner', read_seq = 0",
  "delete from room_members",
  "update messages set body = 'changed'",
  "delete from messages",
  "delete from reactions",
  "delete from room_events",
];

/** A private and a public room, each with a message, and one user who is in neither. The rooms of an earlier test are gone. */
async function twoRooms(sql: Sql) {
  await sql.query("delete from rooms");
  const [owner, member, outsider] = [await sql.newUser("Owner"), await sql.newUser("Member"), await sql.newUser("Out")];
  const members = `{${owner.id},${member.id}}`;
  for (const [room, body, emoji] of [["private", "secret", "🔑"], ["public", "open", "🚪"]] as const) {
    await sql.query("select create_room($1, $1, null, $2::text::uuid[])", [room, members]);
    const [posted] = await sql.store.post([{ kind: "message", actor: owner, room, body }]);
    const id = posted!.ok ? posted!.value.id : "";
    await sql.store.post([{ kind: "react", actor: owner, message_id: id, emoji, remove: false }]);
  }
  return { owner, member, outsider };
}

function as(user: Sender): Caller {
  return { role: "authenticated", user: user.id };
}

function run(sql: Sql, caller: Caller, text: string, user = ""): Promise<string> {
  return codeOf(sql.as(caller, (query) => query(text.replaceAll("USER", user))));
}

async function list(query: Query, text: string): Promise<unknown[]> {
  return (await query(text)).map(({ value }) => value);
}

/** How many rows each of `CHANGES` touches. */
async function changedRows(query: Query): Promise<number[]> {
  const counts: number[] = [];
  for (const change of CHANGES) counts.push((await query(`${change} returning 1`)).length);
  return counts;
}
