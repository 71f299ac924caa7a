import { assertEquals } from "@std/assert";
import type { LogFrame } from "../../shared/protocol/chat_server_frames.ts";
import { codeOf, type Sql, testSql } from "./open_sql.ts";

const INVALID = "23514";

testSql("rows written by plain SQL", {
  async "an inserted message enters the log, and each of many in its order"(sql) {
    const { room, ann } = await openRoom(sql);
    await asServer(
      sql,
      "insert into messages (room_id, sender_id, body) values ($1, $2, 'a'), ($1, $2, 'b')",
      room,
      ann.id,
    );
    const frames = await framesOf(sql, room);
    assertEquals(frames.map((frame) => frame.type === "new_message" && [frame.message.seq, frame.message.body]), [
      [3, "a"],
      [4, "b"],
    ]);
    const history = await sql.store.history(ann.id, room, undefined, 10);
    assertEquals(
      history.ok && history.value.messages,
      frames.flatMap((frame) => frame.type === "new_message" ? frame.message : []),
    );
  },

  async "what a conflict skips takes no seq, and an upsert is an edit"(sql) {
    const { room, ann } = await openRoom(sql);
    const insert = "insert into messages (room_id, sender_id, client_id, body) values ($1, $2, 'c1', $3)";
    await asServer(sql, insert, room, ann.id, "a");
    await asServer(sql, `${insert} on conflict do nothing`, room, ann.id, "b");
    await asServer(
      sql,
      `${insert} on conflict (sender_id, client_id) do update set body = excluded.body`,
      room,
      ann.id,
      "c",
    );
    assertEquals(await codeOf(asServer(sql, insert, room, ann.id, "d")), "23505");
    const frames = await framesOf(sql, room);
    assertEquals(frames.map(({ type }) => type), ["new_message", "message_edited"]);
    assertEquals((await sql.store.eventsSince(room, 0, 10))?.head, 4);
  },

  async "a retry over the store finds the message that SQL inserted"(sql) {
    const { room, ann } = await openRoom(sql);
    await asServer(
      sql,
      "insert into messages (room_id, sender_id, client_id, body) values ($1, $2, 'c2', 'a')",
      room,
      ann.id,
    );
    const [retry] = await sql.store.post([{ kind: "message", actor: ann, room, body: "a", client_id: "c2" }]);
    assertEquals(retry!.ok && [retry!.value.seq, retry!.value.event], [3, undefined]);
  },

  async "a changed body is an edit, and nothing else is"(sql) {
    const { room, ann, id } = await openRoomWithMessage(sql);
    await asServer(sql, "update messages set body = 'new' where id = $1", id);
    await asServer(sql, "update messages set body = 'new', sender_name = 'Anna' where id = $1", id);
    const [sent, edited, ...others] = await framesOf(sql, room);
    assertEquals(others, []);
    if (sent?.type !== "new_message" || edited?.type !== "message_edited") throw new Error("Not the frames of an edit");
    assertEquals([sent.message.body, sent.message.sender], ["new", { id: ann.id, name: "Anna" }]);
    assertEquals([edited.user_id, edited.body, edited.edited_at], [ann.id, "new", sent.message.edited_at]);
  },

  async "deleted_at deletes the words with it, for good"(sql) {
    const { room, id, bob } = await openRoomWithMessage(sql);
    await asServer(sql, "update messages set deleted_at = now(), deleted_by = $2 where id = $1", id, bob.id);
    const [sent, deleted] = await framesOf(sql, room);
    assertEquals(sent?.type === "new_message" && [sent.message.body, sent.message.data], ["", undefined]);
    assertEquals(deleted?.type === "message_deleted" && deleted.user_id, bob.id);
    for (const change of ["deleted_at = null", "body = 'back'"]) {
      assertEquals(await codeOf(asServer(sql, `update messages set ${change} where id = $1`, id)), INVALID, change);
    }
  },

  async "a deleted row leaves a gap of words, not of seq"(sql) {
    const { room, ann, id } = await openRoomWithMessage(sql);
    await sql.store.post([{ kind: "react", actor: ann, message_id: id, emoji: "👍", remove: false }]);
    await asServer(sql, "delete from messages where id = $1", id);
    const frames = await framesOf(sql, room);
    assertEquals(frames.map(({ type }) => type), ["new_message", "reaction", "message_deleted"]);
    const [sent] = frames;
    assertEquals(sent?.type === "new_message" && [sent.message.id, sent.message.body, sent.message.seq], [id, "", 3]);
    const [read] = await sql.store.post([{ kind: "read", actor: ann, message_id: id }]);
    assertEquals(read!.ok ? "ok" : read!.error.code, "message_not_found");
  },

  async "a message keeps what names and orders it"(sql) {
    const { id, bob } = await openRoomWithMessage(sql);
    const other = await openRoom(sql);
    for (
      const change of [
        "id = gen_random_uuid()",
        `room_id = '${other.room}'`,
        "seq = 77",
        "seq = null",
        `sender_id = '${bob.id}'`,
        "client_id = 'other'",
        "created_at = now() + interval '1 day'",
      ]
    ) assertEquals(await codeOf(asServer(sql, `update messages set ${change} where id = $1`, id)), INVALID, change);
  },

  async "sizes hold for SQL as well"(sql) {
    const { room, ann } = await openRoom(sql);
    for (
      const columns of [
        "(room_id, sender_id, body) values ($1, $2, repeat('x', 16001))",
        "(room_id, sender_id, subject) values ($1, $2, repeat('x', 257))",
        "(room_id, sender_id, client_id) values ($1, $2, '')",
        "(room_id, sender_id, data) values ($1, $2, to_jsonb(repeat('x', 200000)))",
      ]
    ) assertEquals(await codeOf(asServer(sql, `insert into messages ${columns}`, room, ann.id)), INVALID, columns);
    assertEquals((await sql.store.eventsSince(room, 0, 10))?.head, 2);
  },

  async "reactions and members enter the log"(sql) {
    const { room, id, bob, eve } = await openRoomWithMessage(sql);
    await asServer(sql, "insert into reactions (message_id, emoji, user_id) values ($1, '👀', $2)", id, bob.id);
    await asServer(sql, "delete from reactions where message_id = $1", id);
    await asServer(sql, "insert into room_members (room_id, user_id) values ($1, $2)", room, eve.id);
    await asServer(sql, "update room_members set role = 'moderator' where room_id = $1 and user_id = $2", room, eve.id);
    await asServer(sql, "delete from room_members where room_id = $1 and user_id = $2", room, eve.id);
    const shown = (await framesOf(sql, room)).slice(1).map((frame) =>
      frame.type === "reaction" ? frame.removed : frame.type === "member" && frame.change
    );
    assertEquals(shown, [false, true, "added", "role", "removed"]);
  },

  async "a user who is deleted leaves his rooms, and his messages stay"(sql) {
    const { room, ann, bob } = await openRoomWithMessage(sql);
    await sql.query("delete from auth.users where id = $1", [ann.id]);
    const frames = await framesOf(sql, room);
    assertEquals(frames.at(-1), { type: "member", room, seq: 4, user_id: ann.id, role: "owner", change: "removed" });
    const history = await sql.store.history(bob.id, room, undefined, 10);
    assertEquals(history.ok && history.value.messages.length, 1);
    const joined = await sql.store.join(ann, `${room}-new`, { createRooms: true });
    assertEquals(joined.ok ? "ok" : joined.error.code, "forbidden");
  },

  async "a room that is deleted takes all of it along"(sql) {
    const { room, ann, id } = await openRoomWithMessage(sql);
    await sql.store.post([{ kind: "react", actor: ann, message_id: id, emoji: "👍", remove: false }]);
    await asServer(sql, "delete from rooms where id = $1", room);
    assertEquals(await sql.store.eventsSince(room, 0, 10), undefined);
    for (const table of ["room_events", "room_members", "messages"]) {
      assertEquals(await sql.query(`select from ${table} where room_id = $1`, [room]), [], table);
    }
    const again = await sql.store.join(ann, room, { createRooms: true });
    assertEquals(again.ok && again.value.head, 1);
  },
});

testSql("batches that meet", {
  async "calls that touch the same rooms and users in any order do not deadlock, and leave no gap"(sql) {
    const people = await Promise.all(Array.from({ length: 4 }, (_, index) => sql.newUser(`user ${index}`)));
    const rooms = ["m1", "m2", "m3", "m4"];
    for (const room of rooms) {
      await sql.query("select create_room('private', $1, null, $2::text::uuid[])", [
        room,
        `{${people.map(({ id }) => id)}}`,
      ]);
    }
    const random = seeded(20261121);
    const calls = Array.from({ length: 60 }, (_, call) => {
      const writes = Array.from({ length: 12 }, (_, index) => ({
        kind: "message",
        actor: people[random(4)]!,
        room: rooms[random(4)]!,
        body: `${call}.${index}`,
        client_id: `c${random(300)}`,
      } as const));
      return sql.store.post(writes);
    });
    const results = (await Promise.all(calls)).flat();
    assertEquals(results.filter((result) => !result.ok), []);
    for (const room of rooms) {
      const { head, events } = (await sql.store.eventsSince(room, 0, 1000))!;
      assertEquals(events.map(({ seq }) => seq), Array.from({ length: head }, (_, index) => index + 1));
    }
    const stored = new Set(results.flatMap((result) => result.ok ? result.value.id : []));
    const [counted] = await sql.query("select count(*)::integer as count from messages where room_id like 'm_'");
    assertEquals(counted!.count, stored.size);
    const [deadlocks] = await sql.query(
      "select deadlocks::integer from pg_stat_database where datname = current_database()",
    );
    assertEquals(deadlocks?.deadlocks ?? 0, 0);
  },
});

const RECORDED = "select payload, event, topic, private from realtime.sent order by place";
const REALTIME = `
  create schema realtime;
  create table realtime.sent (place serial, payload jsonb, event text, topic text, private boolean);
  create function realtime.send(payload jsonb, event text, topic text, private boolean default true) returns void
    language plpgsql as $$ begin
      if topic like '%broken%' then raise exception 'Realtime is down'; end if;
      insert into realtime.sent (payload, event, topic, private) values (payload, event, topic, private);
    end $$;
`;

testSql("the hint to Realtime", {
  async "says once for each call and room how far the log has grown"(sql) {
    const { room, ann } = await openRoom(sql);
    const other = await openRoom(sql);
    await sql.query("insert into room_members (room_id, user_id) values ($1, $2)", [other.room, ann.id]);
    await sql.query("delete from realtime.sent");
    const write = (id: string) => ({ kind: "message", actor: ann, room: id, body: "x" }) as const;
    await sql.store.post([write(room), write(other.room), write(room)]);
    const sent = await sql.query(RECORDED);
    const epochs = (await sql.store.heads([room, other.room], [])).heads;
    const hint = (id: string, seq: number) => ({
      payload: { room: id, seq, epoch: epochs.get(id)!.epoch },
      event: "grown",
      topic: `edge-sockets:room:${id}`,
      private: true,
    });
    const byTopic = (a: { topic?: unknown }, b: { topic?: unknown }) => String(a.topic) < String(b.topic) ? -1 : 1;
    assertEquals(sent.sort(byTopic), [hint(room, 4), hint(other.room, 4)].sort(byTopic));
  },

  async "does not fail the write that it fails to tell of"(sql) {
    const { room, ann } = await openRoom(sql, "broken");
    const [posted] = await sql.store.post([{ kind: "message", actor: ann, room, body: "x" }]);
    assertEquals(posted!.ok && posted!.value.seq, 3);
    assertEquals(sql.notices.some((notice) => notice.includes("Realtime is down")), true);
  },
}, { before: REALTIME });

/** A private room of Ann, who owns it, and Bob; its head is 2. */
async function openRoom(sql: Sql, prefix = "room") {
  const [ann, bob, eve] = [await sql.newUser(), await sql.newUser("Bob"), await sql.newUser("Eve")];
  const room = `${prefix}-${crypto.randomUUID()}`;
  await sql.query("select create_room('private', $1, null, $2::text::uuid[])", [room, `{${ann.id},${bob.id}}`]);
  return { room, ann, bob, eve };
}

async function openRoomWithMessage(sql: Sql) {
  const opened = await openRoom(sql);
  const [posted] = await sql.store.post([
    { kind: "message", actor: opened.ann, room: opened.room, body: "old", data: { x: 1 } },
  ]);
  return { ...opened, id: posted!.ok ? posted!.value.id : "" };
}

/** Runs a statement as PostgREST does for the secret key. */
function asServer(sql: Sql, text: string, ...params: unknown[]) {
  return sql.as({ role: "service_role" }, (query) => query(text, params));
}

/** The frames after the two that tell of Ann and Bob. */
async function framesOf(sql: Sql, room: string): Promise<LogFrame[]> {
  return (await sql.store.eventsSince(room, 2, 100))!.events.map(({ frame }) => frame);
}

/** Whole numbers below `limit`, the same in each run (a linear congruential generator, as in Numerical Recipes). */
function seeded(seed: number): (limit: number) => number {
  return (limit) => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((seed / 2 ** 32) * limit);
  };
}
