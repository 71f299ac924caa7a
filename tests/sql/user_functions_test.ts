import { assertEquals } from "@std/assert";
import type { Sender } from "../../shared/protocol/chat_server_frames.ts";
import { type Caller, codeOf, type Sql, testSql } from "./open_sql.ts";

testSql("functions for users of supabase-js", {
  async "create_room() makes its caller the owner, and each member once"(sql) {
    const { ann, bob } = await people(sql);
    const [room] = await call(
      sql,
      ann,
      "create_room('private', 'r1', 'Name', array[$1, $2, $1]::uuid[])",
      bob.id,
      ann.id,
    );
    assertEquals([room!.id, room!.kind, room!.name, Number(room!.head)], ["r1", "private", "Name", 2]);
    assertEquals(await roles(sql, "r1"), { [ann.id]: "owner", [bob.id]: "member" });
  },

  async "create_room() refuses bad, taken and reserved ids, kinds and users"(sql) {
    const { ann } = await people(sql);
    await call(sql, ann, "create_room('public', 'taken')");
    for (
      const [args, code] of [
        ["'public', 'taken'", "23505"],
        ["'public', 'no spaces'", "PT400"],
        ["'public', ''", "PT400"],
        ["'public', repeat('x', 129)", "PT400"],
        ["'private', 'dm:x'", "PT400"],
        ["'dm', 'x'", "PT400"],
        ["'secret', 'x'", "PT400"],
        ["'public', 'x', repeat('n', 257)", "23514"],
        ["'public', 'x', null, array[gen_random_uuid()]", "PT404"],
        ["'public', 'x', null, array[null]::uuid[]", "PT404"],
      ] as const
    ) assertEquals(await attempt(sql, ann, `create_room(${args})`), code, args);
  },

  async "add_member() and remove_member() are for owners and moderators, and leaving for everyone"(sql) {
    const { ann, bob, eve } = await people(sql);
    const dan = await sql.newUser("Dan");
    await call(sql, ann, "create_room('private', 'team', null, array[$1]::uuid[])", bob.id);
    const add = (user: Sender, other: Sender, role = "member") =>
      attempt(sql, user, "add_member('team', $1, $2)", other.id, role);
    const remove = (user: Sender, other: Sender) => attempt(sql, user, "remove_member('team', $1)", other.id);
    const attempts: [string, Promise<string> | (() => Promise<string>), string][] = [
      ["an outsider does not see it", () => add(eve, eve, "owner"), "PT404"],
      ["a member adds no one", () => add(bob, eve), "PT403"],
      ["a member does not promote himself", () => add(bob, bob, "owner"), "PT403"],
      ["a member removes no one else", () => remove(bob, ann), "PT403"],
      ["an owner gives roles", () => add(ann, bob, "moderator"), "ok"],
      ["a moderator adds members", () => add(bob, dan), "ok"],
      ["a moderator gives no roles", () => add(bob, dan, "moderator"), "PT403"],
      ["a moderator does not demote the owner", () => add(bob, ann, "member"), "PT403"],
      ["a moderator does not remove the owner", () => remove(bob, ann), "PT403"],
      ["a moderator removes members", () => remove(bob, dan), "ok"],
      ["there are no other roles", () => add(ann, bob, "king"), "PT400"],
      ["anyone may leave", () => remove(bob, bob), "ok"],
      ["who left is outside", () => add(bob, bob), "PT404"],
    ];
    for (const [title, step, code] of attempts) {
      assertEquals(await (typeof step === "function" ? step() : step), code, title);
    }
    assertEquals(await roles(sql, "team"), { [ann.id]: "owner" });
    assertEquals(await attempt(sql, ann, "add_member('team', gen_random_uuid())"), "PT404");
    assertEquals(await attempt(sql, ann, "add_member('nowhere', $1)", bob.id), "PT404");
  },

  async "no one joins or leaves a direct room"(sql) {
    const { ann, bob, eve } = await people(sql);
    const [opened] = await call(sql, ann, "open_direct($1)", bob.id);
    const room = opened!.open_direct as string;
    assertEquals(room, `dm:${[ann.id, bob.id].sort().join(":")}`);
    assertEquals((await call(sql, bob, "open_direct($1)", ann.id))[0]!.open_direct, room);
    assertEquals(await attempt(sql, ann, "add_member($1, $2)", room, eve.id), "PT403");
    assertEquals(await attempt(sql, ann, "remove_member($1, $2)", room, bob.id), "PT403");
    assertEquals(await attempt(sql, eve, "add_member($1, $2)", room, eve.id), "PT404");
    assertEquals(await attempt(sql, ann, "open_direct($1)", ann.id), "PT400");
    assertEquals(await attempt(sql, ann, "open_direct(gen_random_uuid())"), "PT404");
  },

  async "send_message() stores as its caller, once for a client_id, and enters the log"(sql) {
    const { ann, bob, eve } = await people(sql);
    await call(sql, ann, "create_room('private', 'talk', null, array[$1]::uuid[])", bob.id);
    const text = `send_message('talk', 'hello', 'c1', 'Subject', null, '{"x":1}')`;
    const [sent] = await call(sql, ann, text);
    const [again] = await call(sql, ann, text);
    assertEquals([sent!.sender_id, sent!.body, Number(sent!.seq), sent!.data], [ann.id, "hello", 3, { x: 1 }]);
    assertEquals(again, sent);
    assertEquals((await sql.store.eventsSince("talk", 2, 10))?.events.length, 1);
    for (
      const [user, args, code] of [
        [eve, "'talk', 'x'", "PT404"],
        [eve, "'nowhere', 'x'", "PT404"],
        [ann, "'talk', ''", "PT400"],
        [ann, "'talk', null", "PT400"],
        [ann, "'talk', repeat('x', 16001)", "PT413"],
        [ann, "'talk', 'x', null, null, null, to_jsonb(repeat('x', 140000))", "PT413"],
        [ann, "'talk', 'x', repeat('x', 129)", "PT400"],
        [ann, "'talk', 'x', null, repeat('x', 257)", "PT400"],
        [ann, "'talk', 'x', null, null, gen_random_uuid()", "PT404"],
        [ann, "null, 'x'", "PT404"],
      ] as const
    ) assertEquals(await attempt(sql, user, `send_message(${args})`), code, args);
  },

  async "mark_read() and unread_counts() are about the caller alone"(sql) {
    const { ann, bob, eve } = await people(sql);
    await call(sql, ann, "create_room('private', 'unread', null, array[$1]::uuid[])", bob.id);
    for (const body of ["a", "b", "c"]) await call(sql, ann, "send_message('unread', $1)", body);
    const counts = async (user: Sender) =>
      Object.fromEntries(
        (await call(sql, user, "unread_counts()")).map((
          { room, count, as_of },
        ) => [room, [Number(count), Number(as_of)]]),
      );
    assertEquals((await counts(bob)).unread, [3, 5]);
    assertEquals((await call(sql, bob, "mark_read('unread', 4)"))[0]!.mark_read, await asReturned(sql, 1));
    assertEquals((await counts(bob)).unread, [1, 6]);
    assertEquals((await call(sql, bob, "mark_read('unread', 3)"))[0]!.mark_read, await asReturned(sql, 1));
    assertEquals((await counts(ann)).unread, [0, 6]);
    assertEquals((await counts(eve)).unread, undefined);
    assertEquals(await attempt(sql, eve, "mark_read('unread', 4)"), "PT404");
    const events = (await sql.store.eventsSince("unread", 5, 10))!.events;
    assertEquals(events.map(({ frame }) => frame.type), ["message_read"]);
  },
});

testSql("limits of writes", {
  async "a user who sends too many messages is refused for a while, and no one else"(sql) {
    const [ann, bob] = [await sql.newUser("Ann"), await sql.newUser("Bob")];
    await sql.query("select create_room('public', 'busy', null, $1::text::uuid[])", [`{${ann.id},${bob.id}}`]);
    await sql.script(
      "create or replace function edge_sockets.max_writes_per_user() returns integer language sql immutable return 5",
    );
    const send = async (user: Sender, count: number) => {
      const writes = Array.from(
        { length: count },
        () => ({ kind: "message", actor: user, room: "busy", body: "x" }) as const,
      );
      return (await sql.store.post(writes)).map((result) => result.ok ? "ok" : result.error.code);
    };
    assertEquals(await send(ann, 3), ["ok", "ok", "ok"]);
    assertEquals(await send(ann, 3), ["rate_limited", "rate_limited", "rate_limited"]);
    assertEquals(await send(bob, 1), ["ok"]);
    await sql.query("update edge_sockets.message_rates set window_start = window_start - interval '11 seconds'");
    assertEquals(await send(ann, 5), Array(5).fill("ok"));
  },

  async "a user owns so many rooms and no more, and the server makes as many as it likes"(sql) {
    const ann = await sql.newUser("Ann");
    await sql.script(
      "create or replace function edge_sockets.max_rooms_per_owner() returns integer language sql immutable return 2",
    );
    const join = async (room: string) => {
      const joined = await sql.store.join(ann, room, { createRooms: true });
      return joined.ok ? "ok" : joined.error.code;
    };
    assertEquals(await join("own-1"), "ok");
    assertEquals(await attempt(sql, ann, "create_room('private', 'own-2')"), "ok");
    assertEquals(await attempt(sql, ann, "create_room('private', 'own-3')"), "PT422");
    assertEquals(await join("own-3"), "unprocessable");
    assertEquals(await join("own-1"), "ok");
    await sql.query("select create_room('public', 'own-3', null, array[$1]::uuid[])", [ann.id]);
  },

  async "a write that a trigger of the project refuses fails alone"(sql) {
    const ann = await sql.newUser("Ann");
    await sql.query("select create_room('public', 'filtered', null, $1::text::uuid[])", [`{${ann.id}}`]);
    await sql.script(`
      create function public.no_spam() returns trigger language plpgsql as
        $$ begin if new.body like '%spam%' then raise exception 'no spam'; end if; return new; end $$;
      create trigger no_spam before insert or update on public.messages for each row execute function public.no_spam();
    `);
    const write = (body: string) => ({ kind: "message", actor: ann, room: "filtered", body }) as const;
    const results = await sql.store.post(["a", "spam", "b", "more spam", "c"].map(write));
    assertEquals(results.map((result) => result.ok ? result.value.seq : result.error.code), [
      2,
      "unprocessable",
      3,
      "unprocessable",
      4,
    ]);
    assertEquals((await sql.store.eventsSince("filtered", 0, 10))?.head, 4);
  },

  async "trim_room_log() forgets events, and tells readers by the floor"(sql) {
    const ann = await sql.newUser("Ann");
    await sql.query("select create_room('public', 'long', null, $1::text::uuid[])", [`{${ann.id}}`]);
    await sql.store.post(["a", "b", "c"].map((body) => ({ kind: "message", actor: ann, room: "long", body })));
    await sql.query("select trim_room_log('long', 2)");
    const page = (await sql.store.eventsSince("long", 0, 10))!;
    assertEquals([page.floor, page.head, page.events.map(({ seq }) => seq)], [2, 4, [3, 4]]);
    const history = await sql.store.history(ann.id, "long", undefined, 10);
    assertEquals(history.ok && history.value.messages.length, 3);
  },
});

async function people(sql: Sql) {
  const [ann, bob, eve] = [await sql.newUser("Ann"), await sql.newUser("Bob"), await sql.newUser("Eve")];
  return { ann: ann!, bob: bob!, eve: eve! };
}

function as(user: Sender): Caller {
  return { role: "authenticated", user: user.id };
}

/** The rows of a function called with a user's token. */
function call(sql: Sql, user: Sender, text: string, ...params: unknown[]) {
  return sql.as(as(user), (query) => query(`select * from public.${text}`, params));
}

function attempt(sql: Sql, user: Sender, text: string, ...params: unknown[]): Promise<string> {
  return codeOf(call(sql, user, text, ...params));
}

async function roles(sql: Sql, room: string): Promise<Record<string, string>> {
  const rows = await sql.query("select user_id, role from room_members where room_id = $1", [room]);
  return Object.fromEntries(rows.map(({ user_id, role }) => [user_id, role]));
}

/** A bigint as this driver gives it. */
async function asReturned(sql: Sql, value: number): Promise<unknown> {
  return (await sql.query("select $1::bigint as value", [value]))[0]!.value;
}
