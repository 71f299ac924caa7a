import { inheritedEnv } from "./inherited_env.ts";
import type { JwtAlgorithm, ProjectKeys } from "./keys.ts";

/** What the environment of an isolate is made from. */
export interface IsolateEnvOptions {
  url: string;
  keys: ProjectKeys;
  jwtAlgorithm: JwtAlgorithm;
  wallClockMs: number;
  /** Set only with a real PostgreSQL. */
  databaseUrl?: string;
  /** The project's own variables; they win. */
  extra: Readonly<Record<string, string>>;
}

/** The public keys that verify user tokens: none where they are signed with the project's secret. */
export function publicKeySet(keys: ProjectKeys, jwtAlgorithm: JwtAlgorithm): { keys: unknown[] } {
  return { keys: jwtAlgorithm === "ES256" ? [keys.publicKey] : [] };
}

/** The variables that an isolate of the platform has, and of the parent's own only what a process needs to run. */
export function isolateEnv(options: IsolateEnvOptions): Record<string, string> {
  const { url, keys, databaseUrl } = options;
  return {
    ...inheritedEnv(),
    SUPABASE_URL: url,
    SUPABASE_ANON_KEY: keys.anonKey,
    SUPABASE_SERVICE_ROLE_KEY: keys.serviceRoleKey,
    ...(databaseUrl ? { SUPABASE_DB_URL: databaseUrl } : {}),
    SUPABASE_JWKS: JSON.stringify(publicKeySet(keys, options.jwtAlgorithm)),
    SUPABASE_PUBLISHABLE_KEYS: JSON.stringify({ default: keys.publishableKey }),
    SUPABASE_SECRET_KEYS: JSON.stringify({ default: keys.secretKey }),
    SB_REGION: "local",
    DENO_DEPLOYMENT_ID: "local",
    ISOLATE_WALL_CLOCK_MS: String(options.wallClockMs),
    ...options.extra,
  };
}
