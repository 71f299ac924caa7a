import { ALGORITHMS, type AuthSettings } from "./create_authenticator.ts";
import { isJsonWebKeySet, type JsonWebKeySet } from "./key_set.ts";

/** Variables by name. */
export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The settings of `createAuthenticator` from a function's environment.
 *
 * | variable | meaning |
 * |---|---|
 * | `SUPABASE_URL` | required; set by the platform |
 * | `SUPABASE_PUBLISHABLE_KEYS` | a JSON object, of which `default` is taken or else the first; set by the platform |
 * | `SUPABASE_ANON_KEY` | required where that is not set; set by the platform |
 * | `SUPABASE_JWKS` | the project's public keys, JSON; set by the platform |
 * | `SUPABASE_PUBLIC_URL` | where the project is reached from outside, if that differs; its issuer is accepted, too |
 * | `JWT_ISSUER` | issuers to accept instead, separated by commas |
 * | `JWT_AUDIENCE` | default `authenticated` |
 * | `JWT_ROLES` | roles that may call, separated by commas; default `authenticated` |
 * | `JWT_ALGORITHMS` | algorithms of signatures, separated by commas; default `ES256,RS256,EdDSA,HS256` |
 *
 * @throws {RangeError} that names the variable which is missing or bad, and never quotes a key.
 */
export function readAuthSettings(env: Environment): AuthSettings {
  const supabaseUrl = readUrl(env, "SUPABASE_URL");
  if (!supabaseUrl) throw new RangeError("Cannot start as SUPABASE_URL is not set");
  const publicUrl = readUrl(env, "SUPABASE_PUBLIC_URL") ?? supabaseUrl;
  return {
    supabaseUrl,
    apiKey: readApiKey(env),
    jwks: readKeySet(env),
    issuer: readList(env, "JWT_ISSUER") ?? [...new Set([publicUrl, supabaseUrl])].map((url) => `${url}/auth/v1`),
    audience: readText(env, "JWT_AUDIENCE"),
    allowedRoles: readList(env, "JWT_ROLES"),
    algorithms: readAlgorithms(env),
  };
}

function readAlgorithms(env: Environment): readonly string[] | undefined {
  const algorithms = readList(env, "JWT_ALGORITHMS");
  if (algorithms?.every((name) => ALGORITHMS.includes(name)) ?? true) return algorithms;
  throw new RangeError(`Cannot start as JWT_ALGORITHMS must be of ${ALGORITHMS.join(", ")}`);
}

function readText(env: Environment, name: string): string | undefined {
  return env[name]?.trim() || undefined;
}

function readList(env: Environment, name: string): readonly string[] | undefined {
  const entries = readText(env, name)?.split(",").map((entry) => entry.trim()).filter((entry) => entry !== "");
  if (entries?.length === 0) throw new RangeError(`Cannot start as ${name} must hold at least one value`);
  return entries;
}

function readUrl(env: Environment, name: string): string | undefined {
  const text = readText(env, name);
  if (text === undefined) return undefined;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isUsable = url && /^https?:$/.test(url.protocol) && !url.username && !url.password && !url.search && !url.hash;
  if (!isUsable) {
    throw new RangeError(`Cannot start as ${name} must be an http or https URL without query and credentials`);
  }
  return text.replace(/\/+$/, "");
}

function readJson(env: Environment, name: string): unknown {
  const text = readText(env, name);
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    // The engine's message quotes the text, which may hold a key.
    throw new RangeError(`Cannot start as ${name} must be JSON`);
  }
}

function readKeySet(env: Environment): JsonWebKeySet | undefined {
  const value = readJson(env, "SUPABASE_JWKS");
  const set = Array.isArray(value) ? { keys: value } : value;
  if (set === undefined || isJsonWebKeySet(set)) return set;
  throw new RangeError(`Cannot start as SUPABASE_JWKS must be a JSON Web Key Set: {"keys": […]}`);
}

function readApiKey(env: Environment): string {
  const keys = readJson(env, "SUPABASE_PUBLISHABLE_KEYS") ?? {};
  if (typeof keys !== "object" || keys === null || !Object.values(keys).every((key) => typeof key === "string")) {
    throw new RangeError("Cannot start as SUPABASE_PUBLISHABLE_KEYS must be a JSON object of names and keys");
  }
  const named = keys as Readonly<Record<string, string>>;
  const key = named.default ?? Object.values(named)[0] ?? readText(env, "SUPABASE_ANON_KEY");
  if (!key) throw new RangeError("Cannot start as neither SUPABASE_PUBLISHABLE_KEYS nor SUPABASE_ANON_KEY is set");
  return key;
}
