import type { Failure } from "../protocol/codes.ts";
import { err, ok, type Result } from "../protocol/result.ts";
import { log } from "../telemetry/log.ts";
import { inSpan } from "../telemetry/span.ts";
import { authServer } from "./auth_server.ts";
import { checkClaims } from "./check_claims.ts";
import { decodeToken, looksLikeToken } from "./decode_token.ts";
import { expiringCache } from "./expiring_cache.ts";
import { findToken } from "./find_token.ts";
import { type Identity, identityOf } from "./identity.ts";
import { type JsonWebKeySet, keySet } from "./key_set.ts";
import { sha256 } from "./sha256.ts";
import { ASYMMETRIC_ALGORITHMS, signatureCheck } from "./signature_check.ts";

/** Whose tokens are accepted, and how they are checked. */
export interface AuthSettings {
  /** Where the project is reached from here, such as `https://PROJECT.supabase.co`; Auth is below it at `/auth/v1`. */
  readonly supabaseUrl: string;
  /** The publishable or anon key, which the gateway in front of Auth wants. */
  readonly apiKey: string;
  /** The public keys known from the start, as in `SUPABASE_JWKS`. By default they are fetched when first needed. */
  readonly jwks?: JsonWebKeySet;
  /**
   * What `iss` must be, or a list of what it may be. Default: `supabaseUrl` and `/auth/v1`. It differs on a
   * custom domain, and where `supabaseUrl` is an address inside a network.
   */
  readonly issuer?: string | readonly string[];
  /** What `aud` must be or hold. Default: `authenticated`. */
  readonly audience?: string;
  /** The roles that may call. Default: `authenticated` alone, so API keys used as tokens are refused. */
  readonly allowedRoles?: readonly string[];
  /**
   * The algorithms that a signature may have, of ES256, RS256, EdDSA and HS256. Default: all four. Without HS256 nobody
   * makes the Auth server check what he has signed himself.
   */
  readonly algorithms?: readonly string[];
  /** How far this clock may be behind the issuer's, in ms. Default: 5,000. It never prolongs a token. */
  readonly clockToleranceMs?: number;
  /** How long Auth may take to answer, in ms. Default: 5,000. */
  readonly timeoutMs?: number;
  /** How many verified tokens are kept. Default: 2,000. */
  readonly maxCachedTokens?: number;
  /** The clock, in ms since the epoch. Default: `Date.now`. */
  readonly now?: () => number;
  /** Default: the global `fetch`. */
  readonly fetch?: typeof fetch;
}

/**
 * Says who is calling. A failure has the code `unauthorized`, `token_expired` or, when Auth or its keys are out of
 * reach, `auth_unavailable`, which says nothing about the token. No failure quotes the token, neither method throws.
 */
export interface Authenticator {
  /** The identity that the request's token proves (see `findToken`); without a token the failure is `unauthorized`. */
  authenticate(request: Request): Promise<Result<Identity, Failure>>;
  /**
   * The identity that a token proves. ES256, RS256 and EdDSA are checked here, HS256 by the Auth server. A token that
   * passed is known until it expires and costs no signature check and no call; not its text is kept but its hash.
   */
  verify(token: string): Promise<Result<Identity, Failure>>;
}

/** What the Auth server checks, as its key is a secret. */
const SYMMETRIC_ALGORITHM = "HS256";

/** Access tokens have 0.7 to 2 KB; a header can have more, but nothing that long is worth a hash. */
const MAX_TOKEN_LENGTH = 8_192;
/** The Auth server's refusals are remembered, so that a client which insists costs one call, not one each time. */
const MAX_REFUSED_TOKENS = 500;
const REFUSAL_LIFETIME_MS = 30_000;

const NO_TOKEN: Failure = {
  code: "unauthorized",
  message: "There is no token: send one as Authorization: Bearer TOKEN, as the subprotocol jwt-TOKEN or as ?jwt=TOKEN",
};
const TOO_LONG: Failure = { code: "unauthorized", message: `The token is longer than ${MAX_TOKEN_LENGTH} characters` };
const MALFORMED: Failure = { code: "unauthorized", message: "The token is not a signed JSON Web Token" };
const UNCHECKED: Failure = { code: "auth_unavailable", message: "The token cannot be checked now: try again" };

/** The algorithms that a project's tokens may be signed with. */
export const ALGORITHMS: readonly string[] = [...ASYMMETRIC_ALGORITHMS, SYMMETRIC_ALGORITHM];

/** An authenticator for the tokens of one project. It holds no connection and no timer: there is nothing to close. */
export function createAuthenticator(settings: AuthSettings): Authenticator {
  const { supabaseUrl, apiKey, now = Date.now, fetch = globalThis.fetch, timeoutMs = 5_000 } = settings;
  const { algorithms = ALGORITHMS } = settings;
  const authUrl = `${supabaseUrl.replace(/\/+$/, "")}/auth/v1`;
  const rules = {
    issuers: [settings.issuer ?? authUrl].flat(),
    audience: settings.audience ?? "authenticated",
    allowedRoles: settings.allowedRoles ?? ["authenticated"],
    clockToleranceMs: settings.clockToleranceMs ?? 5_000,
  };
  const checkSignature = signatureCheck(keySet({
    initial: settings.jwks,
    url: `${authUrl}/.well-known/jwks.json`,
    headers: { accept: "application/json", apikey: apiKey },
    fetch,
    timeoutMs,
    now,
  }));
  const askAuthServer = authServer({ supabaseUrl, apiKey, fetch, timeoutMs });
  const verified = expiringCache<Identity>(settings.maxCachedTokens ?? 2_000, now);
  const refused = expiringCache<Failure>(MAX_REFUSED_TOKENS, now);
  const underWay = new Map<string, Promise<Result<Identity, Failure>>>();

  async function check(token: string, hash: string): Promise<Result<Identity, Failure>> {
    const decoded = decodeToken(token);
    if (!decoded) return err(MALFORMED);
    const { algorithm, claims } = decoded;
    if (!algorithms.includes(algorithm)) {
      return err({ code: "unauthorized", message: `The algorithm of the token must be ${algorithms.join(", ")}` });
    }
    const isSymmetric = algorithm === SYMMETRIC_ALGORITHM;
    // Before the signature: what could not pass anyway never costs a key operation or a call to Auth.
    const failure = checkClaims(claims, rules, now());
    if (failure) return err(failure);

    const identity = identityOf(claims);
    const refusal = await (isSymmetric ? askAuthServer(token, identity.userId) : checkSignature(token)).catch(
      unchecked,
    );
    if (!refusal) {
      verified.set(hash, identity, identity.expiresAt);
      return ok(identity);
    }
    if (isSymmetric && refusal.code === "unauthorized") refused.set(hash, refusal, now() + REFUSAL_LIFETIME_MS);
    return err(refusal);
  }

  async function verify(token: string): Promise<Result<Identity, Failure>> {
    if (token.length > MAX_TOKEN_LENGTH) return err(TOO_LONG);
    if (!looksLikeToken(token)) return err(MALFORMED);
    const hash = sha256(token);
    const identity = verified.get(hash);
    if (identity) return ok(identity);
    const refusal = refused.get(hash);
    if (refusal) return err(refusal);

    let pending = underWay.get(hash);
    if (!pending) {
      pending = inSpan("authenticate", {}, () => check(token, hash), codeOf).finally(() => underWay.delete(hash));
      underWay.set(hash, pending);
    }
    return await pending;
  }

  return {
    verify,
    async authenticate(request) {
      const found = findToken(request);
      return found ? await verify(found.token) : err(NO_TOKEN);
    },
  };
}

/** What throws here is no fault of the token: a module that cannot be loaded, or an address that is none. */
function unchecked(error: unknown): Failure {
  log.error("auth.failed", { error });
  return UNCHECKED;
}

function codeOf(result: Result<Identity, Failure>): string | undefined {
  return result.ok ? undefined : result.error.code;
}
