import { App } from "@supabase/lite/app";
import { applyMigrations } from "./apply_migrations.ts";
import { encodeJsonValues } from "./encode_json_values.ts";
import type { ProjectKeys } from "./keys.ts";
import type { Database } from "./open_database.ts";
import { REALTIME_SCHEMA } from "./realtime/realtime_schema.ts";

/** Auth and the REST API, as a function from request to response. */
export interface Lite {
  /** Answers a request under `/auth/v1` or `/rest/v1`. User tokens are HS256. The response is complete. */
  fetch(request: Request): Promise<Response>;
  /** Makes the REST API see tables and functions that were created or changed by other means. */
  reloadSchema(): Promise<void>;
}

/** Options of `startLite`. */
export interface LiteOptions {
  keys: ProjectKeys;
  /** The folder of the migrations. */
  migrations: URL;
}

/**
 * Starts Supabase Lite on a database: makes the schemas of Auth and Realtime, the roles and the privileges of a hosted
 * project, applies the migrations, and serves only then, so that what a migration grants or revokes stands.
 *
 * @throws {Error} if a migration fails
 */
export async function startLite(database: Database, { keys, migrations }: LiteOptions): Promise<Lite> {
  const { connection } = database;
  const app = new App({
    connection,
    auth: { enabled: true, jwt_secret: keys.jwtSecret },
    api: { enabled: true },
    options: {
      server: {
        disableStudio: true,
        disableFallback: true,
        apiKeys: { resolver: (key) => Promise.resolve(resolveApiKey(key, keys)) },
      },
    },
  });
  await database.exclusive(() => app.ensureSystemSchema());
  await database.script(ROLES_AND_PRIVILEGES);
  await database.script(REALTIME_SCHEMA);
  await applyMigrations(database, migrations);
  const reloadSchema = () => database.exclusive(() => connection.clearSchemaCache());
  await reloadSchema();
  return {
    fetch: (request) =>
      database.exclusive(async () => {
        const shape = await connection.introspect({ useCache: true });
        return await complete(await app.fetch(await encodeJsonValues(request, shape)));
      }),
    reloadSchema,
  };
}

/** Reads the body while the lock is held: it may still need the connection. */
async function complete(response: Response): Promise<Response> {
  const body = response.body ? await response.arrayBuffer() : null;
  return new Response(body, response);
}

/** Who calls by which key, in both styles of keys; null for a key that is not this project's. */
function resolveApiKey(key: string, keys: ProjectKeys) {
  if (key === keys.publishableKey || key === keys.anonKey) {
    return { type: "publishable" as const, claims: { role: "anon" } };
  }
  if (key === keys.secretKey || key === keys.serviceRoleKey) {
    return { type: "secret" as const, claims: { role: "service_role" } };
  }
  return null;
}

/** What a hosted project has before its first migration. May run again on the same database. */
const ROLES_AND_PRIVILEGES = `
do $$ begin
  if to_regrole('anon') is null then create role anon nologin; end if;
  if to_regrole('authenticated') is null then create role authenticated nologin; end if;
  if to_regrole('service_role') is null then create role service_role nologin bypassrls; end if;
end $$;
grant usage on schema public, auth to anon, authenticated, service_role;
alter default privileges in schema public grant all on tables to anon, authenticated, service_role;
alter default privileges in schema public grant all on sequences to anon, authenticated, service_role;
alter default privileges in schema public grant all on functions to anon, authenticated, service_role;
alter table auth.users enable row level security;
`;
