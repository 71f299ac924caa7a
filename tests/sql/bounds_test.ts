import { assertEquals } from "@std/assert";
import type { Write } from "../../shared/store/store.ts";
import type { Sender } from "../../shared/protocol/chat_server_frames.ts";
import { codeOf, type Sql, testSql } from "./open_sql.ts";

testSql("what one user may cost the others", {
  async "data is as deep as the socket lets it be, whoever writes it"(sql) {
    const { ann } = await openRoom(sql, "deep");
    const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth);
    const send = (depth: number) =>
      codeOf(asUser(sql, ann, "send_message('deep', 'x', data => $1::text::jsonb)", nested(depth)));
    assertEquals([await send(64), await send(65), await send(5_000)], ["ok", "PT400", "PT400"]);
    const insert = "insert into messages (room_id, sender_id, body, data) values ('deep', $1, 'x', $2::text::jsonb)";
    const write = (depth: number) =>
      codeOf(sql.as({ role: "service_role" }, (query) => query(insert, [ann.id, nested(depth)])));
    assertEquals([await write(64), await write(65)], ["ok", "23514"]);
    const objects = JSON.stringify({ a: [{ b: [1] }] });
    assertEquals(await codeOf(asUser(sql, ann, "send_message('deep', 'x', data => $1::text::jsonb)", objects)), "ok");
  },

  async "a user makes so many rooms and no more, left or given away as they may be"(sql) {
    const { ann, bob } = await openRoom(sql, "made");
    await limit(sql, "max_rooms_per_owner", 2);
    const make = (id: string) => codeOf(asUser(sql, ann, "create_room('public', $1)", id));
    assertEquals([await make("made-1"), await make("made-2"), await make("made-3")], ["ok", "ok", "PT422"]);
    await asUser(sql, ann, "remove_member('made-1', $1)", ann.id);
    await asUser(sql, ann, "add_member('made-2', $1, 'owner')", bob.id);
    await asUser(sql, ann, "remove_member('made-2', $1)", ann.id);
    assertEquals(await make("made-3"), "PT422");
    assertEquals(await join(sql, ann, "made-3"), "unprocessable");
    assertEquals(await join(sql, ann, "made-1"), "ok", "what is there he may join");
    assertEquals(await make("made-3"), "PT422");
    await sql.query("delete from rooms where id = 'made-2'");
    assertEquals(await make("made-3"), "ok", "a room that is gone does not count");
    await limit(sql, "max_rooms_per_owner", 1000);
  },

  async "others put a user into so many rooms, he goes into some more, the server into any"(sql) {
    const { ann, bob } = await openRoom(sql, "mine");
    const eve = await sql.newUser("Eve");
    await limit(sql, "max_rooms_by_others", 2);
    await limit(sql, "max_rooms_per_member", 4);
    const members = `{${eve.id}}`;
    const pull = (id: string) =>
      codeOf(asUser(sql, ann, "create_room('private', $1, null, $2::text::uuid[])", id, members));
    assertEquals([await pull("pull-1"), await pull("pull-2"), await pull("pull-3")], ["ok", "ok", "PT422"]);
    assertEquals(await codeOf(asUser(sql, ann, "add_member('mine', $1)", eve.id)), "PT422");
    assertEquals(await codeOf(asUser(sql, ann, "add_member('pull-1', $1, 'moderator')", eve.id)), "ok", "he is in it");
    const direct = await sql.store.openDirect(bob, eve.id);
    assertEquals(direct.ok || direct.error.code, "unprocessable");
    assertEquals(await codeOf(asUser(sql, bob, "open_direct($1)", eve.id)), "PT422");
    assertEquals(await join(sql, eve, "mine"), "ok");
    const own = await sql.store.openDirect(eve, bob.id);
    assertEquals(own.ok, true, "as he wants it");
    assertEquals(await join(sql, eve, "one-more"), "unprocessable");
    assertEquals(await join(sql, eve, "mine"), "ok", "he is in it");
    assertEquals(await codeOf(asUser(sql, eve, "create_room('public', 'one-more')")), "PT422");
    assertEquals((await sql.query("select from rooms where id = 'one-more'")).length, 0);
    await sql.query("insert into room_members (room_id, user_id) values ('deep', $1)", [eve.id]);
  },

  async "who is not there makes no room"(sql) {
    const nobody = { id: crypto.randomUUID() };
    assertEquals(await join(sql, nobody, "ghost-town"), "forbidden");
    assertEquals((await sql.query("select from rooms where id = 'ghost-town'")).length, 0);
  },

  async "edits, deletions, reactions and receipts count as messages do"(sql) {
    const { ann, bob } = await openRoom(sql, "rated");
    const [sent] = await sql.store.post([{ kind: "message", actor: ann, room: "rated", body: "0" }]);
    const message_id = sent!.ok ? sent!.value.id : "";
    await limit(sql, "max_writes_per_user", 4);
    await sql.query("delete from edge_sockets.message_rates");
    const post = async (writes: readonly Write[]) =>
      (await sql.store.post(writes)).map((result) => result.ok || result.error.code);
    const edit = (body: string) => ({ kind: "edit", actor: ann, message_id, body }) as const;
    assertEquals(await post([edit("1"), edit("2"), edit("3"), edit("4")]), [true, true, true, true]);
    const react = { kind: "react", actor: ann, message_id, emoji: "x", remove: false } as const;
    const read = { kind: "read", actor: bob, message_id } as const;
    assertEquals(await post([edit("5"), read, react, { kind: "delete", actor: ann, message_id }]), [
      "rate_limited",
      true,
      "rate_limited",
      "rate_limited",
    ]);
    await sql.query("update edge_sockets.message_rates set window_start = window_start - interval '11 seconds'");
    assertEquals(await post([edit("5")]), [true]);
    await limit(sql, "max_writes_per_user", 3000);
  },

  async "changes of membership count as messages do, whoever makes them, and coming back does not"(sql) {
    const { ann, bob } = await openRoom(sql, "churning");
    await limit(sql, "max_writes_per_user", 4);
    await sql.query("delete from edge_sockets.message_rates");
    const change = (caller: Sender, call: string) => codeOf(asUser(sql, caller, call, bob.id));
    const [head] = await sql.query("select head from rooms where id = 'churning'");
    for (const role of ["moderator", "member"]) {
      assertEquals(await change(ann, `add_member('churning', $1, '${role}')`), "ok");
    }
    assertEquals(await change(ann, "remove_member('churning', $1)"), "ok");
    assertEquals(await change(ann, "add_member('churning', $1)"), "ok");
    assertEquals(await change(ann, "remove_member('churning', $1)"), "PT429");
    assertEquals(await change(ann, "add_member('churning', $1, 'moderator')"), "PT429");
    assertEquals(await codeOf(asUser(sql, ann, "send_message('churning', 'x')")), "PT429");
    const [after] = await sql.query("select head from rooms where id = 'churning'");
    assertEquals(Number(after!.head) - Number(head!.head), 4);

    const enter = () => join(sql, bob, "churning");
    for (let n = 0; n < 10; n++) assertEquals(await enter(), "ok", "he is in it");
    for (let n = 0; n < 2; n++) {
      assertEquals([await change(bob, "remove_member('churning', $1)"), await enter()], ["ok", "ok"]);
    }
    assertEquals(await change(bob, "remove_member('churning', $1)"), "PT429");
    assertEquals(await enter(), "ok", "he is in it still");
    await sql.query("delete from room_members where room_id = 'churning' and user_id = $1", [bob.id]);
    assertEquals(await enter(), "rate_limited");
    await sql.query("update edge_sockets.message_rates set window_start = window_start - interval '11 seconds'");
    assertEquals(await enter(), "ok");
    await limit(sql, "max_writes_per_user", 3000);
  },

  async "a message by REST shows the name that the socket shows, and no e-mail address"(sql) {
    const { ann } = await openRoom(sql, "named");
    const email = "ann@example.com";
    const nameOf = async (user_metadata: unknown) => {
      const claims = { role: "authenticated", sub: ann.id, email, user_metadata };
      const [row] = await sql.as({ role: "authenticated", user: ann.id }, async (query) => {
        await query("select set_config('request.jwt.claims', $1, true)", [JSON.stringify(claims)]);
        return await query("select sender_name from send_message('named', 'x')");
      });
      return row!.sender_name;
    };
    assertEquals(await nameOf({ name: email, full_name: "  Ann Li ", user_name: "ann" }), "Ann Li");
    assertEquals(await nameOf({ name: email }), null);
    assertEquals(await nameOf({ name: " ", user_name: "x".repeat(300) }), "x".repeat(100));
    assertEquals(await nameOf("Ann"), null);
    assertEquals(await nameOf(undefined), null);
  },
});

/** A public room of two. */
async function openRoom(sql: Sql, id: string): Promise<{ ann: Sender; bob: Sender }> {
  const [ann, bob] = [await sql.newUser("Ann"), await sql.newUser("Bob")];
  await sql.query("select create_room('public', $1, null, $2::text::uuid[])", [id, `{${ann.id},${bob.id}}`]);
  return { ann, bob };
}

function asUser(sql: Sql, { id }: Sender, call: string, ...params: unknown[]): Promise<unknown> {
  return sql.as({ role: "authenticated", user: id }, (query) => query(`select ${call}`, params));
}

async function join(sql: Sql, user: Sender, room: string): Promise<string> {
  const joined = await sql.store.join(user, room, { createRooms: true });
  return joined.ok ? "ok" : joined.error.code;
}

function limit(sql: Sql, name: string, value: number): Promise<void> {
  return sql.script(
    `create or replace function edge_sockets.${name}() returns integer language sql immutable return ${value}`,
  );
}
