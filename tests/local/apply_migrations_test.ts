import { assertEquals, assertRejects } from "@std/assert";
import { applyMigrations } from "../../supabase/local/apply_migrations.ts";
import { openPglite } from "../../supabase/local/open_database.ts";

const VERSIONS = "create schema supabase_migrations;" +
  "create table supabase_migrations.schema_migrations (version text primary key, name text);";

Deno.test("applyMigrations() applies each file once, together with its version or not at all", async () => {
  const folder = await Deno.makeTempDir();
  const directory = new URL(`file://${folder}/`);
  const write = (name: string, text: string) => Deno.writeTextFile(new URL(name, directory), text);
  const database = await openPglite();
  const recorded = () => database.query("select version, name from supabase_migrations.schema_migrations order by 1");
  const hasTwo = async () => (await database.query("select to_regclass('public.two') as found"))[0]!.found !== null;
  try {
    await database.script(VERSIONS);
    await write("1_one's.sql", "create table public.one (id int) -- no semicolon");
    // Its version cannot be remembered: it is as if the process had ended before that.
    await write("2_two.sql", "create table public.two (id int); drop table supabase_migrations.schema_migrations;");
    await assertRejects(() => applyMigrations(database, directory), Error, "Cannot apply 2_two.sql: ");
    assertEquals(await recorded(), [{ version: "1", name: "one's" }]);
    assertEquals(await hasTwo(), false);

    await write("2_two.sql", "create table public.two (id int);");
    assertEquals(await applyMigrations(database, directory), ["2_two.sql"]);
    assertEquals(await hasTwo(), true);
    assertEquals(await applyMigrations(database, directory), []);
  } finally {
    await database.close();
    await Deno.remove(folder, { recursive: true });
  }
});
