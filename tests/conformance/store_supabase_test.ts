import { supabaseStore } from "../../shared/store/supabase_store.ts";
import { requires } from "../support/requires.ts";
import { signUp, testClient } from "../support/sign_up.ts";
import { startTestLocal } from "../support/start_local.ts";
import { startPostgres } from "../support/start_postgres.ts";
import { type OpenedStore, testStore } from "./store_suite.ts";

const postgresql = requires("postgresql");

testStore({ name: "supabase on PGlite", create: () => openSupabaseStore() });
testStore({
  name: `supabase on PostgreSQL${postgresql.suffix}`,
  ignore: postgresql.ignore,
  async create() {
    const server = await startPostgres(postgresql.path);
    const opened = await openSupabaseStore(server.url);
    return { ...opened, close: () => opened.close().then(() => server[Symbol.asyncDispose]()) };
  },
});

/** A local project, reached by supabase-js as on the platform. */
async function openSupabaseStore(databaseUrl?: string): Promise<OpenedStore> {
  // No functions: the store needs none.
  const functions = await Deno.makeTempDir();
  const local = await startTestLocal({ databaseUrl, functionsDir: new URL(`file://${functions}/`) });
  const open = () => supabaseStore({ url: local.url, secretKey: local.secretKey });
  const server = testClient(local, local.secretKey);
  const rpc = async (name: string, args: Record<string, unknown>) => {
    const { error } = await server.rpc(name, args);
    if (error !== null) throw error;
  };
  return {
    store: open(),
    other: open(),
    createRoom: (kind, id, members) => rpc("create_room", { kind, id, name: null, members }),
    addMember: (room, user, role = "member") => rpc("add_member", { room, user_id: user, role }),
    removeMember: (room, user) => rpc("remove_member", { room, user_id: user }),
    newUser: async (name = "someone") => ({ id: (await signUp(local, name)).userId, name }),
    async close() {
      await local.close();
      await Deno.remove(functions);
    },
  };
}
