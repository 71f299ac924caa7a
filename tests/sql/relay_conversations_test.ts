import { assertEquals, assertRejects } from "@std/assert";
import { rpcSessionStore } from "../../shared/relay/openai/rpc_session_store.ts";
import { callFunction, openSql, requirement } from "./open_sql.ts";

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
