import { createPgliteConnection, type PgliteConnection } from "@supabase/lite/pglite";
import { createPostgresConnection, type PostgresConnection } from "@supabase/lite/postgres";
// Supabase Lite loads this driver by itself too, but Deno finds it only if it is asked for here.
import postgres from "postgres";
import { keepingExitCode } from "./keeping_exit_code.ts";
import { createLock, type Lock } from "./lock.ts";
import { normalizeDatabaseError } from "./database_errors.ts";
import { pgliteSnapshot } from "./pglite_snapshot.ts";

/** A row as a query gives it. */
export type Row = Record<string, unknown>;

/** The database behind Auth and the REST API. */
export interface Database {
  /** What Supabase Lite works on. */
  readonly connection: PgliteConnection | PostgresConnection;
  /**
   * Runs a task that uses the connection. On PGlite tasks wait for each other: it has one session, so overlapping
   * requests would run under each other's role and user. On PostgreSQL they overlap.
   */
  readonly exclusive: Lock;
  /** Runs one statement as the owner of the database. */
  query(text: string, params?: readonly unknown[]): Promise<Row[]>;
  /** Runs any number of statements as the owner, all or none; gives the rows of the last. */
  script(text: string): Promise<Row[]>;
  /**
   * Calls `onNotify` for each notification on `channel` until the database is closed. A connection that is lost is made
   * again; what was notified in between is lost.
   */
  listen(channel: string, onNotify: (payload: string) => void): Promise<void>;
  close(): Promise<void>;
}

/** Options of `openPglite`. */
export interface PgliteOptions {
  /** Default: true. Without it, requests take each other's identity: there for the test that shows so. */
  lock?: boolean;
}

/** Opens a database in memory. */
export async function openPglite({ lock = true }: PgliteOptions = {}): Promise<Database> {
  const connection = await keepingExitCode(connectPglite);
  const inOrder = lock ? createLock() : unlocked;
  const exclusive: Lock = (task) => inOrder(() => keepingExitCode(task));
  return {
    connection: mend(connection),
    exclusive,
    query: (text, params = []) => exclusive(async () => (await connection.driver.query<Row>(text, [...params])).rows),
    script: (text) => exclusive(async () => (await connection.driver.exec(text)).at(-1)?.rows as Row[] ?? []),
    listen: (channel, onNotify) => exclusive(async () => void await connection.driver.listen(channel, onNotify)),
    close: () => exclusive(() => connection.close()),
  };
}

async function connectPglite(): Promise<PgliteConnection> {
  const loadDataDir = await pgliteSnapshot();
  const connection = await createPgliteConnection({
    pgliteOptions: { loadDataDir, parsers: { [TIMESTAMP]: isoTimestamp, [TIMESTAMPTZ]: isoTimestamp } },
  });
  await connection.driver.waitReady;
  return connection;
}

/**
 * Opens a real PostgreSQL, as a role that may create roles and schemas.
 *
 * @throws {Error} if it cannot be reached
 */
export async function openPostgres(url: string): Promise<Database> {
  const connection = createPostgresConnection({
    url,
    postgresOptions: {
      onnotice: () => {},
      // A database that was gone for two seconds would otherwise be looked for again only after twenty.
      backoff: () => RETRY_SECONDS,
      types: {
        // Lite hands over what is JSON text already. Its own setting would encode that text once more, as a string.
        json: { to: JSON_TYPE, from: [JSON_TYPE], serialize: jsonText, parse: JSON.parse },
        jsonb: { to: JSONB_TYPE, from: [JSONB_TYPE], serialize: jsonText, parse: JSON.parse },
        timestamp: { to: TIMESTAMP, from: [TIMESTAMP], serialize: String, parse: isoTimestamp },
        timestamptz: { to: TIMESTAMPTZ, from: [TIMESTAMPTZ], serialize: String, parse: isoTimestamp },
      },
    },
  });
  try {
    await connection.driver.unsafe("select 1");
  } catch (error) {
    await connection.close();
    throw new Error(`Cannot reach the database: ${(error as Error).message}`, { cause: error });
  }
  const listeners: ReturnType<typeof listenerOn>[] = [];
  globalThis.addEventListener("error", surviveLostSocket);
  return {
    connection: mend(connection),
    exclusive: unlocked,
    query: async (text, params = []) => [...await connection.driver.unsafe<Row[]>(text, [...params] as never[])],
    script: async (text) => lastRows(await connection.driver.unsafe(text).simple()),
    async listen(channel, onNotify) {
      const listener = listenerOn(url, channel, onNotify);
      listeners.push(listener);
      await listener.start();
    },
    async close() {
      globalThis.removeEventListener("error", surviveLostSocket);
      await Promise.all(listeners.map((listener) => listener.close()));
      // A connection that was lost in the middle of a query never ends by itself.
      await connection.driver.end({ timeout: 1 });
      await connection.close();
    },
  };
}

/**
 * The driver puts writes off by a turn, and throws there, where nobody can catch it, if the server went away in between.
 * The queries of that connection have failed by then, so that nothing is hidden.
 */
function surviveLostSocket(event: ErrorEvent): void {
  const isLostSocket = event.error instanceof TypeError && /of null \(reading 'write'\)/.test(event.error.message);
  if (isLostSocket) event.preventDefault();
}

/** A connection that listens, and is made again whenever it is lost: the driver's own `listen` tries that only once. */
function listenerOn(url: string, channel: string, onNotify: (payload: string) => void) {
  let isOver = false;
  let retry: ReturnType<typeof setTimeout> | undefined;
  const options = {
    max: 1,
    // Its query of types would be left hanging when the connection is closed while it is being made.
    fetch_types: false,
    max_lifetime: null,
    onnotice: () => {},
    onnotify: (_channel: string, payload: string) => onNotify(payload),
    onclose: () => again(),
  };
  const client = postgres(url, options);
  const start = async () => void await client.unsafe(`listen ${channel}`);
  function again(): void {
    clearTimeout(retry);
    if (!isOver) retry = setTimeout(() => start().catch(again), LISTEN_RETRY_MS);
  }
  return {
    start,
    async close() {
      isOver = true;
      clearTimeout(retry);
      await client.end({ timeout: 0 });
    },
  };
}

const LISTEN_RETRY_MS = 200;
const RETRY_SECONDS = 0.2;

const JSON_TYPE = 114;
const JSONB_TYPE = 3802;
const TIMESTAMP = 1114;
const TIMESTAMPTZ = 1184;

const unlocked: Lock = (task) => task();

/** The driver gives one list of rows for one statement, and a list of lists for several. */
function lastRows(result: readonly unknown[]): Row[] {
  const last = Array.isArray(result.at(-1)) ? result.at(-1) as Row[] : result as Row[];
  return [...last];
}

function jsonText(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** PostgreSQL's text form of a time as PostgREST shows it: `2026-01-31T12:00:00.5+00:00`. */
export function isoTimestamp(text: string): string {
  return text.replace(" ", "T").replace(/([+-]\d{2})$/, "$1:00");
}

/**
 * Changes two things in a connection of Lite's: errors of the database become answers as PostgREST gives them, and its
 * first request no longer grants every table to `anon` and `authenticated`, which would undo what a migration revoked.
 *
 * @throws {TypeError} if this version of Lite is built in another way
 */
function mend<T extends PgliteConnection | PostgresConnection>(connection: T): T {
  if (!("ensureRlsContext" in connection)) {
    throw new TypeError("Cannot open the database as this version of @supabase/lite grants tables in an unknown way");
  }
  return Object.assign(connection, {
    ensureRlsContext: () => Promise.resolve(true),
    normalizeDbError: normalizeDatabaseError,
  });
}
