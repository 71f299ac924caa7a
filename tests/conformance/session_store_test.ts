import { memorySessionStore } from "../../shared/relay/openai/memory_session_store.ts";
import { rpcSessionStore } from "../../shared/relay/openai/rpc_session_store.ts";
import { KEPT_MS } from "../../shared/relay/openai/session_store.ts";
import { callFunction, DATABASES, openSql, requirement } from "../sql/open_sql.ts";
import { testSessionStore } from "./session_store_suite.ts";

testSessionStore({
  name: "memory",
  create() {
    let now = Date.now();
    return Promise.resolve({
      store: memorySessionStore({ now: () => now }),
      newUser: () => Promise.resolve(crypto.randomUUID()),
      passAnHour: () => {
        now += KEPT_MS;
        return Promise.resolve();
      },
      close: () => Promise.resolve(),
    });
  },
});

for (const database of DATABASES) {
  const { ignore, suffix } = requirement(database);
  testSessionStore({
    name: `SQL functions on ${database}${suffix}`,
    ignore,
    async create() {
      const sql = await openSql(database);
      return {
        store: rpcSessionStore((name, args) =>
          sql.as({ role: "service_role" }, (query) => callFunction(query, name, args))
        ),
        newUser: async () => (await sql.newUser()).id,
        passAnHour: async () => {
          await sql.query("update relay_conversations set saved_at = saved_at - interval '61 minutes'");
        },
        close: () => sql.close(),
      };
    },
  });
}
