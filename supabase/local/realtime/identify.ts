import { decodeJwt, type JWTPayload } from "jose";
import { err, ok, type Result } from "../../../shared/protocol/result.ts";
import type { ProjectKeys } from "../keys.ts";
import type { TokenResigner } from "../resign_tokens.ts";

/** On whose behalf something is asked. */
export interface Identity {
  /** `role` is a role of the database. */
  claims: JWTPayload & { role: string };
  /** In ms since 1970; `Infinity` for an API key. */
  expiresAt: number;
  /** The token as it was sent; for an API key, the key. */
  token: string;
}

/** Why a token is refused, in the words of a hosted project. */
export interface TokenError {
  code: "MalformedJWT" | "InvalidJWTToken" | "JwtSignatureError";
  message: string;
}

/** Says who calls. */
export interface Identify {
  /** Who calls by an API key of the project, in either style; undefined for anything else. */
  byKey(key: string | null | undefined): Identity | undefined;
  /** Who calls by a token. */
  byToken(token: string): Promise<Result<Identity, TokenError>>;
}

/** Makes both checks for the keys and tokens of one project. */
export function createIdentify(keys: ProjectKeys, tokens: TokenResigner): Identify {
  const roles = new Map([
    [keys.publishableKey, "anon"],
    [keys.anonKey, "anon"],
    [keys.secretKey, "service_role"],
    [keys.serviceRoleKey, "service_role"],
  ]);
  return {
    byKey(key) {
      const role = roles.get(key ?? "");
      return role === undefined ? undefined : { claims: { role }, expiresAt: Infinity, token: key! };
    },

    async byToken(token) {
      const claimed = claimsOf(token);
      if (!claimed) return err({ code: "MalformedJWT", message: "The token provided is not a valid JWT" });
      const claims = await tokens.verify(token);
      if (!claims) return err(refusal(claimed));
      const { role, exp } = claims;
      if (typeof role !== "string" || exp === undefined) {
        return err({ code: "InvalidJWTToken", message: "Fields `role` and `exp` are required in JWT" });
      }
      return ok({ claims: { ...claims, role }, expiresAt: exp * 1000, token });
    },
  };
}

/** How a hosted project names a token whose time is over. */
export function expiredMessage(expiresAt: number): string {
  return `Token has expired ${Math.max(0, Math.floor((Date.now() - expiresAt) / 1000))} seconds ago`;
}

function refusal({ exp }: JWTPayload): TokenError {
  const hasExpired = exp !== undefined && exp * 1000 <= Date.now();
  return hasExpired
    ? { code: "InvalidJWTToken", message: expiredMessage(exp * 1000) }
    : { code: "JwtSignatureError", message: "Failed to validate JWT signature" };
}

function claimsOf(token: string): JWTPayload | undefined {
  try {
    return decodeJwt(token);
  } catch {
    return undefined; // Not a token at all.
  }
}
