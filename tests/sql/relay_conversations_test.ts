import { assertEquals, assertRejects } from "@std/assert";
import { rpcSessionStore } from "../../shared/relay/openai/rpc_session_store.ts";
import { callFunction, openSql, requirement, type Sql, testSql } from "./open_sql.ts";

const { ignore, suffix } = requirement("postgres");

Deno.test({
  name: `a user sees and deletes his own conversations, and of them what was said alone${suffix}`,
  ignore,
  async fn() {
    const sql = await openSql("postgres");
    try {
      const store = rpcSessionStore((name, args) =>
        sql.as({ role: "service_role" }, (query) => callFunction(query, name, args))
      );
      const [ada, bob] = [(await sql.newUser()).id, (await sql.newUser()).id];
      for (const userId of [ada, bob]) {
        const key = { userId, sessionId: "talk" };
        const owner = crypto.randomUUID();
        await store.claim(key, owner);
        await store.save(key, owner, {
          config: { instructions: "secret" },
          put: [
            { id: "a", place: 1, audioMs: 0, item: { id: "a", type: "message", role: "user", content: [] } },
            { id: "b", place: 2, audioMs: 0, item: { id: "b", type: "function_call", name: "secret" } },
            { id: "c", place: 3, audioMs: 0, item: { id: "c", type: "message", role: "system", content: [] } },
          ],
        });
      }
      const asAda = (text: string) => sql.as({ role: "authenticated", user: ada }, (query) => query(text));
      assertEquals(await asAda("select user_id, session_id from relay_conversations"), [
        { user_id: ada, session_id: "talk" },
      ]);
      assertEquals(await asAda("select user_id, item_id from relay_conversation_items"), [{
        user_id: ada,
        item_id: "a",
      }]);
      for (
        const text of [
          "select config from relay_conversations",
          "select * from relay_conversations",
          "update relay_conversations set told = true",
          "delete from relay_conversation_items",
          `select relay_claim_conversation('${ada}', 'talk', gen_random_uuid())`,
        ]
      ) {
        await assertRejects(() => asAda(text), Error, "permission denied");
      }
      await assertRejects(
        () => sql.as({ role: "anon" }, (query) => query("select session_id from relay_conversations")),
        Error,
        "permission denied",
      );
      await asAda("delete from relay_conversations");
      assertEquals(await sql.query("select user_id from relay_conversations"), [{ user_id: bob }]);
      assertEquals((await sql.query("select distinct user_id from relay_conversation_items")).length, 1);
      await sql.query("delete from auth.users");
      assertEquals(await sql.query("select user_id from relay_conversations"), []);
    } finally {
      await sql.close();
    }
  },
});

/** The store, and a conversation of a new user in which one thing was said. */
async function spokenIn(sql: Sql) {
  const store = rpcSessionStore((name, args) =>
    sql.as({ role: "service_role" }, (query) => callFunction(query, name, args))
  );
  const owner = crypto.randomUUID();
  const key = { userId: (await sql.newUser()).id, sessionId: "talk" };
  const item = { id: "a", type: "message", role: "user", content: [] };
  await store.claim(key, owner);
  await store.save(key, owner, { put: [{ id: "a", place: 1, audioMs: 0, item }] });
  return { store, key, owner };
}

/** Makes the conversations of a user old, past the trigger that would take them along at once. */
async function makeOld(sql: Sql, userId: string): Promise<void> {
  await sql.script(`
    alter table relay_conversations disable trigger drop_old;
    update relay_conversations set saved_at = saved_at - interval '61 minutes' where user_id = '${userId}';
    alter table relay_conversations enable trigger drop_old`);
}

testSql("what is old of the relay's conversations", {
  async "after an hour its user sees nothing of it, also where nobody has called since"(sql) {
    const { key: { userId } } = await spokenIn(sql);
    const seen = () =>
      sql.as({ role: "authenticated", user: userId }, async (query) => [
        (await query("select session_id from relay_conversations")).length,
        (await query("select item_id from relay_conversation_items")).length,
      ]);
    assertEquals(await seen(), [1, 1]);
    await makeOld(sql, userId);
    assertEquals(await seen(), [0, 0]);
    assertEquals((await sql.query("select 1 from relay_conversations where user_id = $1", [userId])).length, 1);
  },

  async "it goes with the next conversation that is claimed, saved to or removed"(sql) {
    const { store, key, owner } = await spokenIn(sql);
    const calls = {
      claim: () => store.claim({ ...key, sessionId: "other" }, owner),
      save: () => store.save(key, owner, {}),
      remove: () => store.remove(key, owner),
    };
    for (const [name, call] of Object.entries(calls)) {
      const { key: { userId } } = await spokenIn(sql);
      await makeOld(sql, userId);
      await call();
      for (const table of ["relay_conversations", "relay_conversation_items"]) {
        assertEquals(await sql.query(`select session_id from ${table} where user_id = $1`, [userId]), [], name);
      }
    }
  },

  async "a user whom the project does not have is refused as such"(sql) {
    const { store } = await spokenIn(sql);
    for (const userId of [crypto.randomUUID(), "user_2aBcD", "auth0|42"]) {
      assertEquals(await store.claim({ userId, sessionId: "talk" }, crypto.randomUUID()), "forbidden", userId);
    }
  },
});

testSql("what is old of the relay's conversations, where there is pg_cron", {
  async "goes without a call"(sql) {
    const { key: { userId } } = await spokenIn(sql);
    await makeOld(sql, userId);
    const jobs = await sql.query("select command from cron.job");
    assertEquals(jobs.length, 1);
    await sql.query(jobs[0]!.command as string);
    assertEquals(await sql.query("select session_id from relay_conversations"), []);
  },
}, {
  // The extension itself needs a server that was started for it; this is the part that a migration calls.
  before: `
    create schema cron;
    create table cron.job (jobname text primary key, schedule text, command text);
    create function cron.schedule(job_name text, schedule text, command text) returns bigint language sql as
      'insert into cron.job values (job_name, schedule, command) returning 1::bigint';
  `,
});
