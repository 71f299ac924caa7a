import { assert, assertEquals } from "@std/assert";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import type { ErrorCode, Failure } from "../../shared/protocol/codes.ts";
import type { Result } from "../../shared/protocol/result.ts";
import { SHARED_SECRET } from "./auth_stand_in.ts";

/** A pair of keys of which the public one is in the form of a key set. */
export interface SigningKey {
  readonly algorithm: string;
  readonly kid: string;
  readonly privateKey: Awaited<ReturnType<typeof generateKeyPair>>["privateKey"];
  readonly publicJwk: Record<string, unknown>;
}

/** The address in the claims of all tokens: none of it may show in a message. */
export const EMAIL = "ada@example.com";
export const USER_ID = "0b7e6a34-7d5a-4f55-9a76-58b1a4a0c1de";

/** Makes a key for ES256, RS256 or EdDSA. */
export async function makeKey(algorithm: string, kid: string): Promise<SigningKey> {
  const { publicKey, privateKey } = await generateKeyPair(algorithm, { extractable: true });
  const publicJwk = { ...await exportJWK(publicKey), kid, alg: algorithm, use: "sig" };
  return { algorithm, kid, privateKey, publicJwk };
}

/** The claims of an access token as Supabase issues it, for an hour from `nowMs`, with some changed or left out. */
export function claimsOf(url: string, nowMs: number, changes: Record<string, unknown> = {}): Record<string, unknown> {
  const now = Math.floor(nowMs / 1000);
  return {
    iss: `${url}/auth/v1`,
    sub: USER_ID,
    aud: "authenticated",
    exp: now + 3600,
    iat: now,
    email: EMAIL,
    role: "authenticated",
    user_metadata: { full_name: "Ada Lovelace" },
    ...changes,
  };
}

/** Signs claims with a key. */
export function sign(
  key: SigningKey,
  claims: Record<string, unknown>,
  kid: string | undefined = key.kid,
): Promise<string> {
  return new SignJWT(claims).setProtectedHeader({ alg: key.algorithm, kid, typ: "JWT" }).sign(key.privateKey);
}

/** Signs claims with the shared secret of the Auth server, or another one. */
export function signSymmetric(claims: Record<string, unknown>, secret: Uint8Array = SHARED_SECRET): Promise<string> {
  return new SignJWT(claims).setProtectedHeader({ alg: "HS256", typ: "JWT" }).sign(secret);
}

/** A token that says anything, with a signature that is worth nothing. */
export function forge(header: unknown, claims: unknown, signature = "c2lnbmF0dXJl"): string {
  const part = (value: unknown) => {
    const bytes = new TextEncoder().encode(typeof value === "string" ? value : JSON.stringify(value));
    return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  };
  return `${part(header)}.${part(claims)}.${signature}`;
}

/** The value of a success; a failure fails the test. */
export function valueOf<T>(result: Result<T, Failure>): T {
  if (!result.ok) throw new Error(`refused: ${result.error.code}, ${result.error.message}`);
  return result.value;
}

/** The error of a failure; a success fails the test. */
export function failureOf<T>(result: Result<T, Failure>): Failure {
  if (result.ok) throw new Error("accepted, though a failure was expected");
  return result.error;
}

/** Asserts a failure with `code` whose message shows nothing of the token, its parts or what it says. */
export function assertRefused<T>(result: Result<T, Failure>, code: ErrorCode, token: string): void {
  const failure = failureOf(result);
  assertEquals(failure.code, code, failure.message);
  const message = JSON.stringify(failure);
  for (const secret of [token, ...token.split("."), EMAIL, USER_ID]) {
    assert(secret.length < 4 || !message.includes(secret), `the message shows the token: ${message}`);
  }
}
