import { claimsOf, makeKey, sign } from "../auth/tokens.ts";

/** A project's signing key and what a function is told of it: tokens are checked as on the platform, no Auth runs. */
export interface BenchTokens {
  /** The variables of a function that accepts these tokens. */
  readonly env: Readonly<Record<string, string>>;
  /** A token of user `n` (ES256, as a hosted project signs), for an hour; another signature each time. */
  sign(n: number, changes?: Readonly<Record<string, unknown>>): Promise<string>;
}

/** Nobody listens there: a check that asked the network would fail. */
const PROJECT_URL = "http://127.0.0.1:9";

/** The id of user `n`. */
export function benchUser(n: number): string {
  return `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`;
}

export async function benchTokens(): Promise<BenchTokens> {
  const key = await makeKey("ES256", "bench");
  return {
    env: {
      SUPABASE_URL: PROJECT_URL,
      SUPABASE_ANON_KEY: "anon",
      SUPABASE_JWKS: JSON.stringify({ keys: [key.publicJwk] }),
    },
    sign: (n, changes = {}) => {
      const own = { sub: benchUser(n), user_metadata: { full_name: `Member ${n}` } };
      return sign(key, claimsOf(PROJECT_URL, Date.now(), { ...own, ...changes }));
    },
  };
}
