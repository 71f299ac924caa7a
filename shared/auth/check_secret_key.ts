import type { Failure } from "../protocol/codes.ts";
import { isSecretKey } from "./is_secret_key.ts";

/**
 * Why a request may not do what only the project's own servers may: it brings no secret key, as `Authorization: Bearer`
 * or as `apikey`, or another one. `undefined`: it may.
 */
export function checkSecretKey({ headers }: Request, secretKeys: readonly string[]): Failure | undefined {
  const bearer = /^Bearer +(\S+) *$/i.exec(headers.get("authorization") ?? "")?.[1];
  const key = bearer ?? headers.get("apikey") ?? undefined;
  if (key === undefined) {
    return { code: "unauthorized", message: "This takes a secret key, as Bearer or apikey" };
  }
  if (!isSecretKey(key, secretKeys)) return { code: "forbidden", message: "This is not a secret key" };
}
