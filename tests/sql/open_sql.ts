import { PGlite } from "@electric-sql/pglite";
import postgres from "postgres";
import type { Sender } from "../../shared/protocol/chat_server_frames.ts";
import { rpcStore } from "../../shared/store/rpc_store.ts";
import type { Store } from "../../shared/store/store.ts";
import { keepingExitCode } from "../../supabase/local/keeping_exit_code.ts";
import { createLock, type Lock } from "../../supabase/local/lock.ts";
import { pgliteSnapshot } from "../../supabase/local/pglite_snapshot.ts";
import { eventually } from "../support/eventually.ts";
import { requires } from "../support/requires.ts";
import { startPostgres } from "../support/start_postgres.ts";
import type { OpenedStore } from "../conformance/store_suite.ts";

/** A row as a query gives it. */
export type Row = Record<string, unknown>;

/** Runs one statement. Rejects with the database's error: `code` is its SQLSTATE. */
export type Query = (text: string, params?: readonly unknown[]) => Promise<Row[]>;

/** A database with the migrations in it, and nothing between it and the test. */
export interface Sql {
  /** As the owner. */
  readonly query: Query;
  /** Runs any number of statements as the owner. */
  script(text: string): Promise<void>;
  /** Runs statements as a role and with the claims of a token, as the REST API does, in a transaction of their own. */
  as<T>(caller: Caller, work: (query: Query) => Promise<T>): Promise<T>;
  readonly store: Store;
  newUser(name?: string): Promise<Sender>;
  /** What the server's warnings and notices said. */
  readonly notices: string[];
  close(): Promise<void>;
}

/** Who runs a statement. */
export type Caller = { readonly role: "anon" | "service_role" } | {
  readonly role: "authenticated";
  readonly user: string;
};

/** The backends, for tables of tests. */
export const DATABASES = ["pglite", "postgres"] as const;
export type DatabaseName = (typeof DATABASES)[number];

const postgresql = requires("postgresql");

/** What a test of `database` puts into its definition. */
export function requirement(database: DatabaseName): { readonly ignore: boolean; readonly suffix: string } {
  return database === "postgres" ? postgresql : { ignore: false, suffix: "" };
}

/** Opens an empty database and applies the migrations. `before` runs between the stand-in for a project and those. */
export async function openSql(database: DatabaseName, { before = "" } = {}): Promise<Sql> {
  const driver = database === "pglite" ? await openPglite() : await openPostgres();
  await driver.script(PROJECT + before);
  for (const name of await migrationNames()) {
    await driver.script(await Deno.readTextFile(new URL(name, MIGRATIONS)));
  }
  const as: Sql["as"] = (caller, work) =>
    driver.transaction(async (query) => {
      const claims = caller.role === "authenticated" ? { role: caller.role, sub: caller.user } : { role: caller.role };
      await query("select set_config('request.jwt.claims', $1, true)", [JSON.stringify(claims)]);
      await query(`set local role ${caller.role}`);
      return await work(query);
    });
  return {
    ...driver,
    as,
    store: rpcStore((name, args) => as({ role: "service_role" }, (query) => callFunction(query, name, args))),
    async newUser(name) {
      const [row] = await driver.query("insert into auth.users default values returning id");
      return { id: row!.id as string, ...(name !== undefined && { name }) };
    },
  };
}

/** The database as the conformance suite takes it. */
export async function openSqlStore(database: DatabaseName): Promise<OpenedStore> {
  const { store, query, newUser, close } = await openSql(database);
  return {
    store,
    other: store,
    createRoom: async (kind, id, members) => {
      await query("select create_room($1, $2, null, $3::text::uuid[])", [kind, id, `{${members}}`]);
    },
    addMember: async (room, user, role = "member") =>
      void await query("select add_member($1, $2, $3)", [room, user, role]),
    removeMember: async (room, user) => void await query("select remove_member($1, $2)", [room, user]),
    newUser,
    close,
  };
}

/** Calls a function by name with named arguments and gives what it returned. */
export async function callFunction(
  query: Query,
  name: string,
  args: Readonly<Record<string, unknown>>,
): Promise<unknown> {
  const named = Object.keys(args).map((key, index) => `${key} => $${index + 1}`);
  const [row] = await query(`select public.${name}(${named}) as value`, Object.values(args));
  return row!.value;
}

const MIGRATIONS = new URL("../../supabase/migrations/", import.meta.url);

async function migrationNames(): Promise<string[]> {
  const names = (await Array.fromAsync(Deno.readDir(MIGRATIONS))).map(({ name }) => name);
  return names.filter((name) => name.endsWith(".sql")).sort();
}

interface Driver extends Pick<Sql, "query" | "script" | "notices" | "close"> {
  transaction<T>(work: (query: Query) => Promise<T>): Promise<T>;
}

async function openPglite(): Promise<Driver> {
  const inOrder = createLock();
  const exclusive: Lock = (task) => inOrder(() => keepingExitCode(task));
  const database = await exclusive(async () => PGlite.create({ loadDataDir: await pgliteSnapshot() }));
  const notices: string[] = [];
  const onNotice = (notice: { message?: string }) => void notices.push(notice.message ?? "");
  return {
    notices,
    query: (text, params = []) =>
      exclusive(async () => (await database.query<Row>(text, [...params], { onNotice })).rows),
    script: (text) => exclusive(async () => void await database.exec(text, { onNotice })),
    transaction: (work) =>
      exclusive(() =>
        database.transaction((transaction) =>
          work(async (text, params = []) => (await transaction.query<Row>(text, [...params], { onNotice })).rows)
        )
      ),
    close: () => exclusive(() => database.close()),
  };
}

async function openPostgres(): Promise<Driver> {
  const server = await startPostgres(postgresql.path);
  const notices: string[] = [];
  const sql = postgres(server.url, { max: 8, onnotice: (notice) => void notices.push(notice.message ?? "") });
  // It listens before it is ready.
  await eventually("PostgreSQL answers", () => sql`select 1`.then(() => true, () => false));
  return {
    notices,
    query: async (text, params = []) => [...await sql.unsafe<Row[]>(text, [...params] as never[], { prepare: true })],
    script: async (text) => void await sql.unsafe(text).simple(),
    transaction: async (work) =>
      await sql.begin((transaction) =>
        work(async (text, params = []) => [
          ...await transaction.unsafe<Row[]>(text, [...params] as never[], { prepare: true }),
        ])
      ) as never,
    async close() {
      await sql.end({ timeout: 1 });
      await server[Symbol.asyncDispose]();
    },
  };
}

/** What a hosted project has before its first migration, as far as the migrations care. */
const PROJECT = `
  create role anon nologin;
  create role authenticated nologin;
  create role service_role nologin bypassrls;
  grant usage on schema public to anon, authenticated, service_role;
  alter default privileges in schema public grant all on tables to anon, authenticated, service_role;
  alter default privileges in schema public grant all on functions to anon, authenticated, service_role;
  create schema auth;
  create table auth.users (id uuid primary key default gen_random_uuid());
`;

/** Registers a test for each database, with a step for each of `steps`; the database is opened once. */
export function testSql(
  title: string,
  steps: Readonly<Record<string, (sql: Sql) => Promise<void>>>,
  { before = "", databases = DATABASES as readonly DatabaseName[] } = {},
): void {
  for (const database of databases) {
    const { ignore, suffix } = requirement(database);
    Deno.test({
      name: `${title} on ${database}${suffix}`,
      ignore,
      sanitizeOps: false,
      sanitizeResources: false,
      async fn(t) {
        const sql = await openSql(database, { before });
        try {
          for (const [name, step] of Object.entries(steps)) await t.step(name, () => step(sql));
        } finally {
          await sql.close();
        }
      },
    });
  }
}

/** The SQLSTATE that `work` fails with, or `ok`. */
export async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return "ok";
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
}
