import { assert, assertEquals, assertMatch } from "@std/assert";
import type { LocalOptions } from "../../supabase/local/start_local.ts";
import { requires } from "../support/requires.ts";
import { signUp, testClient } from "../support/sign_up.ts";
import { startPostgres } from "../support/start_postgres.ts";
import { startTestLocal, type TestLocal } from "../support/start_local.ts";
import { MIGRATIONS, NO_FUNCTIONS } from "./fixtures/mod.ts";

const OPTIONS: LocalOptions = { migrationsDir: MIGRATIONS, functionsDir: NO_FUNCTIONS };

Deno.test("on PGlite", async (t) => {
  await using local = await startTestLocal(OPTIONS);
  await testDatabase(t, local);
});

const postgresql = requires("postgresql");
Deno.test({
  name: `on PostgreSQL${postgresql.suffix}`,
  ignore: postgresql.ignore,
  fn: async (t) => {
    await using server = await startPostgres(postgresql.path);
    await using local = await startTestLocal({ ...OPTIONS, databaseUrl: server.url });
    await testDatabase(t, local);
    await t.step("a second start applies no migration again, and revoked tables stay revoked", async () => {
      await using again = await startTestLocal({ ...OPTIONS, databaseUrl: server.url });
      const { supabase } = await signUp(again);
      assertEquals((await supabase.from("secrets").select()).error?.code, "42501");
    });
  },
});

async function testDatabase(t: Deno.TestContext, local: TestLocal): Promise<void> {
  const ada = await signUp(local, "ada");
  const ben = await signUp(local, "ben");
  const anon = testClient(local);
  const service = testClient(local, local.secretKey);

  await t.step("a row belongs to who wrote it, and only they see it", async () => {
    const written = await ada.supabase.from("notes").insert({ body: "hello", data: { a: [1] } }).select().single();
    assertEquals(written.error, null);
    assertEquals(written.data.owner, ada.userId);
    assertEquals(written.data.data, { a: [1] });
    assertEquals((await ben.supabase.from("notes").select()).data, []);
    assertEquals((await service.from("notes").select("body")).data, [{ body: "hello" }]);
    const stolen = await ben.supabase.from("notes").insert({ body: "x", owner: ada.userId });
    assertEquals([stolen.status, stolen.error?.code], [403, "42501"]);
  });

  await t.step("a time reads as PostgREST writes it", async () => {
    const { data } = await ada.supabase.from("notes").select("created_at").single();
    assertMatch(data!.created_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+\+00:00$/);
  });

  await t.step("what a migration revoked stays revoked", async () => {
    assertEquals((await ada.supabase.from("secrets").select()).error?.code, "42501");
    assertEquals((await anon.from("secrets").select()).status, 401);
    assertEquals((await anon.from("notes").select()).error?.code, "42501");
    assertEquals((await service.from("secrets").select()).data, [{ id: 1 }]);
    assertEquals((await ada.supabase.schema("auth").from("users").select()).data, null);
  });

  await t.step("SQL functions see who calls: user, role and claims", async () => {
    const user = (await ada.supabase.rpc("who_am_i")).data;
    assertEquals([user.uid, user.role, user.current_user], [ada.userId, "authenticated", "authenticated"]);
    assertEquals([user.name, user.jwt.sub, user.jwt.email], ["ada", ada.userId, ada.email]);
    const visitor = (await anon.rpc("who_am_i")).data;
    assertEquals([visitor.uid, visitor.role, visitor.current_user], [null, "anon", "anon"]);
    for (const key of [local.secretKey, local.serviceRoleKey]) {
      const server = (await testClient(local, key).rpc("who_am_i")).data;
      assertEquals([server.uid, server.role, server.current_user], [null, "service_role", "service_role"]);
      assertEquals(server.jwt.role, "service_role");
    }
  });

  const values: [sent: unknown, type: string][] = [
    [{ a: { b: [1, "zwei", null] }, text: 'quote " and \\' }, "object"],
    [[1, { a: 2 }, "three"], "array"],
    ["a text", "string"],
    ['{"looks": "like json"}', "string"],
    [42, "number"],
    [true, "boolean"],
  ];
  for (const [value, type] of values) {
    await t.step(`rpc with a jsonb argument: ${JSON.stringify(value)} is ${type}`, async () => {
      const { data, error } = await service.rpc("type_of", { value, other: { x: 1 } });
      assertEquals(error, null);
      assertEquals([data.type, data.value, data.other], [type, value, { x: 1 }]);
    });

    await t.step(`a jsonb column: ${JSON.stringify(value)} comes back as it was written`, async () => {
      const written = await ada.supabase.from("notes").insert({ body: "json", data: value }).select("data").single();
      assertEquals([written.error, written.data?.data], [null, value]);
    });
  }

  await t.step("a batch goes through a security definer function that only the service role may call", async () => {
    const items = [{ owner: ben.userId, body: "one", data: { n: 1 } }, { owner: ben.userId, body: "two" }];
    const { data, error } = await service.rpc("post", { items });
    assertEquals(error, null);
    assertEquals(data.map((row: { body: string }) => row.body), ["one", "two"]);
    assertEquals(data[0].data, { n: 1 });
    assertEquals((await ben.supabase.from("notes").select("body").order("id")).data, [{ body: "one" }, {
      body: "two",
    }]);
    const refused = await ben.supabase.rpc("post", { items });
    assertEquals([refused.status, refused.error?.code], [403, "42501"]);
  });

  const errors: [sqlstate: string, status: number][] = [
    ["P0001", 400],
    ["PT404", 404],
    ["PT429", 429],
    ["42501", 403],
    ["23505", 409],
    ["22023", 400],
    ["40001", 500],
    ["P0002", 500],
    ["28000", 403],
    ["RM001", 400],
  ];
  for (const [sqlstate, status] of errors) {
    await t.step(`raise exception with ${sqlstate} is ${status} with its message`, async () => {
      const { error, status: seen } = await ada.supabase.rpc("fail", { sqlstate_code: sqlstate });
      assertEquals([seen, error?.code, error?.message], [status, sqlstate, "it failed"]);
      assertEquals(error?.details, "the detail");
    });
  }

  await t.step("a check that fails and an unknown table are errors as of PostgREST", async () => {
    const checked = await ada.supabase.from("notes").insert({ body: "forbidden" });
    assertEquals([checked.status, checked.error?.code], [400, "23514"]);
    const unknown = await ada.supabase.from("nothing").select();
    assertEquals([unknown.status, unknown.error?.code], [404, "PGRST205"]);
  });

  await t.step("sql() runs as the owner, and the REST API sees what it made", async () => {
    await local.sql("create table public.later (id int); insert into public.later values (7)");
    assertEquals((await service.from("later").select()).data, [{ id: 7 }]);
    assertEquals(await local.sql("select $1::int + 1 as sum", [1]), [{ sum: 2 }]);
    assert((await local.sql<{ n: number }>("select count(*)::int as n from auth.users"))[0]!.n >= 2);
  });
}
