/**
 * A Supabase project on this machine, without Docker: Auth, REST and Realtime on PGlite or PostgreSQL, the functions in
 * isolates that live and die as on the platform, all behind one URL.
 *
 * ```ts
 * const local = await startLocal({ port: 0, wallClockMs: 4_000, env: { OPEN_ROOMS: "false" } });
 * const supabase = createClient(local.url, local.publishableKey);
 * const socket = new WebSocket(`${local.url.replace("http", "ws")}/functions/v1/echo`);
 * local.isolates(); // [{ id, function: "echo", pid, state: "serving", ageMs }, ...]
 * await local.close();
 * ```
 */
import type { ServedFunction } from "./backends.ts";
import { openGateway } from "./gateway.ts";
import type { IsolateLimits } from "./isolate.ts";
import { isolateEnv, publicKeySet } from "./isolate_env.ts";
import { IsolatePool } from "./isolate_pool.ts";
import type { IsolateState } from "./isolate_state.ts";
import { createKeys, type JwtAlgorithm, type KeyMaterial, type ProjectKeys } from "./keys.ts";
import { type Database, openPglite, openPostgres, type Row } from "./open_database.ts";
import { startOpenAiStandIn } from "./openai_stand_in.ts";
import { type FunctionConfig, readConfig, readFunctionsFolder } from "./read_config.ts";
import type { RealtimeLimits } from "./realtime/limits.ts";
import { type RealtimeFaults, startRealtime } from "./realtime/start_realtime.ts";
import { reloadOnChange } from "./reload_on_change.ts";
import { resignTokens } from "./resign_tokens.ts";
import { serveSite } from "./serve_site.ts";
import { createStage } from "./stage.ts";
import { startLite } from "./start_lite.ts";

/** Options of `startLocal`. All may be left out. */
export interface LocalOptions extends Partial<IsolateLimits> {
  /** Default: 54321. 0 takes a free port. */
  port?: number;
  /** Isolates per function that take requests. Default: 2. */
  isolates?: number;
  /** From boot to kill, in ms. Default: 150,000, as on the free plan. */
  wallClockMs?: number;
  /** CPU time of an isolate's life, in ms. Default: no limit. Linux only. */
  cpuLimitMs?: number;
  /** A real PostgreSQL, as a role that may create roles. Default: PGlite in memory. */
  databaseUrl?: string;
  /** The signature of user tokens. Default: `ES256`. */
  jwtAlgorithm?: JwtAlgorithm;
  /** Default: made for this run. */
  keys?: ProjectKeys;
  /** The `deno` binary that runs the isolates. Default: the one that runs this. */
  deno?: string;
  /** More variables for the isolates. Without an `OPENAI_API_KEY` there, a stand-in for OpenAI is started. */
  env?: Readonly<Record<string, string>>;
  /** Limits of Realtime. Default, for each that is left out: those of the free plan. */
  realtime?: Partial<RealtimeLimits>;
  /** A folder of functions, each a folder with an `index.ts`. Default: those of `supabase/config.toml`. */
  functionsDir?: URL;
  /** Default: `supabase/migrations/`. */
  migrationsDir?: URL;
  /** Whether isolates are replaced when a file changes. Default: false. */
  watch?: boolean;
  /** Whether requests on PGlite wait for each other. Default: true; see `openPglite`. */
  lock?: boolean;
  /** Told what is done now while the project starts. Default: nobody. */
  onProgress?: (step: string) => void;
  /** Told each line: console output of isolates and what happens to them. Default: nobody. */
  log?: (line: string) => void;
}

/** An isolate, as `LocalSupabase.isolates` shows it. */
export interface IsolateInfo {
  id: string;
  function: string;
  pid: number;
  state: IsolateState;
  ageMs: number;
}

/** A project that runs. */
export interface LocalSupabase extends Omit<KeyMaterial, "signingKey"> {
  /** `http://127.0.0.1:PORT`. */
  readonly url: string;
  /** Set only with a real PostgreSQL. */
  readonly databaseUrl?: string;
  /** The names of the functions. */
  readonly functions: readonly string[];
  /** Where the OpenAI stand-in is, if one runs. */
  readonly openAiUrl?: string;
  /** All isolates that are not gone. */
  isolates(): IsolateInfo[];
  /** Kills an isolate (SIGKILL), as the platform does; its clients see 1006. @throws {RangeError} for an unknown id */
  killIsolate(id: string): void;
  /** Realtime: what is open, and how to make it fail. */
  readonly realtime: {
    readonly faults: RealtimeFaults;
    /** Connections that are open, and the channels joined over them. */
    count(): { connections: number; channels: number };
  };
  /** Runs SQL as the owner of the database. The REST API sees what it created. */
  sql<T extends Row = Row>(text: string, params?: readonly unknown[]): Promise<T[]>;
  /** Ends all of it; no process stays. May be called twice. */
  close(): Promise<void>;
  /** The same, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}

const ROOT = new URL("../../", import.meta.url);
const SUPABASE = new URL("../", import.meta.url);
const SITE = new URL("site/", import.meta.url);

/**
 * Starts a local project. Settles when it answers: the database is migrated, and each function has an isolate that
 * takes requests or has said why not.
 *
 * @throws {Deno.errors.AddrInUse} if the port is taken
 * @throws {Error} if a migration fails or the database cannot be reached
 */
export async function startLocal(options: LocalOptions = {}): Promise<LocalSupabase> {
  const stack = new AsyncDisposableStack();
  try {
    return await start(options, stack);
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}

async function start(options: LocalOptions, stack: AsyncDisposableStack): Promise<LocalSupabase> {
  const { port = 54321, wallClockMs = 150_000, jwtAlgorithm = "ES256", log = () => {}, databaseUrl } = options;
  const gateway = stack.adopt(await openGateway(port), (gateway) => gateway.close());
  const url = `http://127.0.0.1:${gateway.port}`;
  const keys = options.keys ?? await createKeys();
  const openAi = await openAiVariables(options, stack);
  const site = serveSite(SITE, new URL("deno.json", SITE));
  const functions = await functionsOf(options);
  const served = new Map<string, ServedFunction>();
  for (const config of functions) {
    const pool = new IsolatePool({
      function: config,
      isolates: options.isolates ?? 2,
      wallClockMs,
      cpuLimitMs: options.cpuLimitMs,
      deno: options.deno ?? Deno.execPath(),
      env: isolateEnv({ url, keys, jwtAlgorithm, wallClockMs, databaseUrl, extra: { ...openAi, ...options.env } }),
      log: (line) => log(`${config.name} | ${line}`),
    });
    served.set(config.name, { pool: stack.adopt(pool, (pool) => pool.close()), verifyJwt: config.verifyJwt });
  }
  // Isolates and the database start side by side: each takes its time.
  const { onProgress = () => {} } = options;
  onProgress("starting isolates and the database");
  const warm = Promise.all([...served.values()].map(({ pool }) => pool.warmUp()));
  const database = stack.adopt(await openDatabase(options), (database) => database.close());
  onProgress("applying migrations, starting Auth and REST");
  const lite = await startLite(database, {
    keys,
    migrations: options.migrationsDir ?? new URL("migrations/", SUPABASE),
  });

  const tokens = await resignTokens(keys, { issuer: `${url}/auth/v1`, algorithm: jwtAlgorithm });
  const realtime = stack.adopt(
    await startRealtime(database, { keys, tokens, limits: options.realtime, log }),
    (realtime) => realtime.close(),
  );

  const stage = stack.adopt(createStage({ functions: served, realtime }), (stage) => stage.close());

  gateway.serve({
    lite,
    realtime,
    tokens,
    jwks: publicKeySet(keys, jwtAlgorithm),
    functions: served,
    site,
    stage,
    siteConfig: { url, publishableKey: keys.publishableKey, functions: [...served.keys()] },
    log,
  });
  onProgress("waiting for the functions to answer");
  await warm;
  // Better now than when someone waits for the page, who is also told why it failed; the first one on a machine downloads
  // the bundler.
  if (options.watch) site.read("/main.js").catch(() => {});
  stack.defer(() => gateway.close()); // First of all: what runs behind it then has no more callers.
  if (options.watch) {
    const folders = [...functions.map(({ entrypoint }) => new URL(".", entrypoint)), new URL("shared/", ROOT)];
    stack.adopt(reloadOnChange(folders, served, log), (watch) => watch.close());
  }

  let closed: Promise<void> | undefined;
  const close = () => closed ??= stack.disposeAsync();
  const isolates = () => [...served.values()].flatMap(({ pool }) => pool.isolates);
  return {
    url,
    ...publicView(keys),
    ...(databaseUrl ? { databaseUrl } : {}),
    ...(openAi.OPENAI_REALTIME_URL ? { openAiUrl: openAi.OPENAI_REALTIME_URL } : {}),
    functions: [...served.keys()],
    realtime: { faults: realtime.faults, count: () => realtime.count() },
    isolates: () =>
      isolates().map((i) => ({ id: i.id, function: i.function, pid: i.pid, state: i.state, ageMs: i.ageMs })),
    killIsolate(id) {
      const isolate = isolates().find((isolate) => isolate.id === id);
      if (!isolate) throw new RangeError(`Cannot kill isolate "${id}" as there is none of this id`);
      isolate.kill("closed");
    },
    async sql<T extends Row>(text: string, params?: readonly unknown[]) {
      const rows = await (params ? database.query(text, params) : database.script(text));
      if (!/^\s*(select|with|insert|update|delete)\b/i.test(text)) await lite.reloadSchema();
      return rows as T[];
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** The functions to serve: of a folder, or those that `config.toml` names. */
async function functionsOf({ functionsDir }: LocalOptions): Promise<FunctionConfig[]> {
  if (functionsDir) return await readFunctionsFolder(functionsDir, new URL("deno.json", ROOT));
  return (await readConfig(new URL("config.toml", SUPABASE))).functions;
}

function openDatabase({ databaseUrl, lock }: LocalOptions): Promise<Database> {
  return databaseUrl ? openPostgres(databaseUrl) : openPglite({ lock });
}

/** The key and address of a stand-in for OpenAI; nothing where the project has a key of its own. */
async function openAiVariables({ env }: LocalOptions, stack: AsyncDisposableStack): Promise<Record<string, string>> {
  if (env?.OPENAI_API_KEY) return {};
  const standIn = stack.adopt(await startOpenAiStandIn(), (standIn) => standIn.close());
  return { OPENAI_API_KEY: "sk-local-stand-in", OPENAI_REALTIME_URL: standIn.url };
}

function publicView({ jwtSecret, publishableKey, secretKey, anonKey, serviceRoleKey }: ProjectKeys) {
  return { jwtSecret, publishableKey, secretKey, anonKey, serviceRoleKey };
}
