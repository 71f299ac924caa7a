import type { Failure } from "../protocol/codes.ts";
import type { Claims } from "./decode_token.ts";

/** What the claims of a token must be. */
export interface ClaimRules {
  /** `iss` must be one of these. */
  readonly issuers: readonly string[];
  /** `aud` must be this or a list that holds it. */
  readonly audience: string;
  /** `role` must be one of these. */
  readonly allowedRoles: readonly string[];
  /** How far this machine's clock may be behind the issuer's, in ms: only `nbf` is given it. */
  readonly clockToleranceMs: number;
}

/**
 * Why the claims are refused, or undefined when they pass. Time comes last: `token_expired` says that a fresh token of
 * the same user would have passed. No message quotes the token.
 */
export function checkClaims(claims: Claims, rules: ClaimRules, nowMs: number): Failure | undefined {
  const { sub, iss, aud, role, exp, nbf } = claims;
  if (typeof iss !== "string" || !rules.issuers.includes(iss)) {
    return unauthorized(`The token is not of the issuer ${rules.issuers.join(" or ")}`);
  }
  if (Array.isArray(aud) ? !aud.includes(rules.audience) : aud !== rules.audience) {
    return unauthorized(`The token is not for the audience ${rules.audience}`);
  }
  if (typeof role !== "string" || !rules.allowedRoles.includes(role)) {
    return unauthorized("The role of the token is not allowed here: a signed-in user's access token is needed");
  }
  if (typeof sub !== "string" || sub === "") return unauthorized("The token names no user");
  if (!isNumericDate(exp)) return unauthorized("The token has no valid expiry");
  if (nbf !== undefined && !isNumericDate(nbf)) return unauthorized("The token has no valid start");
  if (nbf !== undefined && nbf * 1000 > nowMs + rules.clockToleranceMs) {
    return unauthorized("The token is not valid yet");
  }
  if (exp * 1000 <= nowMs) return { code: "token_expired", message: "The token has expired" };
  return undefined;
}

/** Seconds since the epoch (RFC 7519 section 2), within what a number of milliseconds can hold. */
function isNumericDate(value: unknown): value is number {
  return typeof value === "number" && value >= 0 && value * 1000 <= Number.MAX_SAFE_INTEGER;
}

function unauthorized(message: string): Failure {
  return { code: "unauthorized", message };
}
