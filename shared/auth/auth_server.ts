import type { AuthError } from "@supabase/supabase-js";
import type { Failure } from "../protocol/codes.ts";
import { gate } from "./gate.ts";
import { loadOnce } from "./load_once.ts";

/** How the Auth server is reached. */
export interface AuthServerOptions {
  readonly supabaseUrl: string;
  /** The publishable or anon key: gateways want one beside the token. */
  readonly apiKey: string;
  readonly fetch: typeof fetch;
  readonly timeoutMs: number;
}

/** Asks whether `token` is one of Auth's own and is `userId`'s: undefined when it is, else why not. Rejects where it cannot ask. */
export type AuthServer = (token: string, userId: string) => Promise<Failure | undefined>;

/** Forged tokens must not become a flood of calls to the Auth server: see `gate`. */
const MAX_LOOKUPS = 32;
const MAX_WAITING_LOOKUPS = 64;

const REFUSED: Failure = { code: "unauthorized", message: "The Auth server refused the token" };
const UNAVAILABLE: Failure = {
  code: "auth_unavailable",
  message: "The Auth server cannot be reached or does not answer as it should: try again",
};
const BUSY: Failure = { code: "auth_unavailable", message: "Too many tokens wait for the Auth server: try again" };

/**
 * The Auth server through supabase-js, which costs 33 to 50 ms of CPU to load and is therefore loaded with the first
 * question. Only a clear refusal counts as one: no answer, an overload or an answer that is not Auth's is
 * `auth_unavailable`.
 */
export function authServer(options: AuthServerOptions): AuthServer {
  const enter = gate(MAX_LOOKUPS, MAX_WAITING_LOOKUPS);
  const client = loadOnce(() => openClient(options));

  async function ask(token: string, userId: string): Promise<Failure | undefined> {
    const { data, error } = await (await client()).auth.getUser(token);
    if (error) return isRefusal(error) ? REFUSED : UNAVAILABLE;
    return data.user?.id === userId ? undefined : UNAVAILABLE;
  }

  return async (token, userId) => await (enter(() => ask(token, userId)) ?? BUSY);
}

async function openClient({ supabaseUrl, apiKey, fetch, timeoutMs }: AuthServerOptions) {
  const { createClient } = await import("@supabase/supabase-js");
  return createClient(supabaseUrl, apiKey, {
    auth: { persistSession: false, autoRefreshToken: false, detectSessionInUrl: false },
    global: { fetch: (input, init) => fetch(input, { ...init, signal: AbortSignal.timeout(timeoutMs) }) },
  });
}

/**
 * Auth answers a bad token with 401 or 403, and a user who signed out is an error of its own in supabase-js. A gateway
 * that does not like the API key answers 401 as well; that is the deployer's mistake.
 */
function isRefusal(error: AuthError): boolean {
  if (error.name === "AuthSessionMissingError") return true;
  if (error.name !== "AuthApiError" || /api.?key/i.test(error.message)) return false;
  return error.status === 401 || error.status === 403;
}
