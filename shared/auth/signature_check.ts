import type { JSONWebKeySet as JoseKeySet } from "jose";
import type { Failure } from "../protocol/codes.ts";
import type { JsonWebKeySet, KeySet } from "./key_set.ts";
import { loadOnce } from "./load_once.ts";

/** The algorithms that are checked here, with a public key. */
export const ASYMMETRIC_ALGORITHMS: readonly string[] = ["ES256", "RS256", "EdDSA"];

/** Says why a token's signature is refused, without quoting it; undefined when it holds. Rejects where jose cannot be loaded. */
export type SignatureCheck = (token: string) => Promise<Failure | undefined>;

type Jose = typeof import("./jose.ts");
type Verdict = "valid" | "refused" | "unknown_key" | "unusable_key";

const REFUSED: Failure = { code: "unauthorized", message: "The signature of the token is not valid" };
const UNKNOWN_KEY: Failure = { code: "unauthorized", message: "The token is signed with a key that is not known" };
const KEYS_UNAVAILABLE: Failure = {
  code: "auth_unavailable",
  message: "The keys of the Auth server cannot be read, so the token cannot be checked: try again",
};

/**
 * Checks signatures against a key set, which is read again when it does not have the token's key. Every key is imported
 * once. jose costs some ms of CPU to load, so it is loaded with the first token.
 */
export function signatureCheck(keys: KeySet): SignatureCheck {
  // Kept, as import() of a module that is loaded costs 17 us on Deno 2.1 all the same.
  const loadJose = loadOnce<Jose>(() => import("./jose.ts"));
  let resolved: { readonly from: JsonWebKeySet; readonly findKey: ReturnType<Jose["createLocalJWKSet"]> } | undefined;

  async function tryKeys(token: string): Promise<Verdict> {
    const from = keys.current;
    if (!from) return "unknown_key";
    const jose = await loadJose();
    try {
      // A new set means new keys, and forgets what was imported of the old one.
      if (resolved?.from !== from) resolved = { from, findKey: jose.createLocalJWKSet(from as unknown as JoseKeySet) };
      await jose.compactVerify(token, resolved.findKey, { algorithms: [...ASYMMETRIC_ALGORITHMS] });
      return "valid";
    } catch (error) {
      return verdictOf(error, jose.errors);
    }
  }

  return async (token) => {
    let verdict = await tryKeys(token);
    if (verdict === "unknown_key") {
      await keys.reload();
      verdict = await tryKeys(token);
    }
    if (verdict === "valid") return undefined;
    if (verdict === "refused") return REFUSED;
    return verdict === "unknown_key" && keys.current && !keys.isStale ? UNKNOWN_KEY : KEYS_UNAVAILABLE;
  };
}

function verdictOf(error: unknown, errors: Jose["errors"]): Verdict {
  if (error instanceof errors.JWKSNoMatchingKey) return "unknown_key";
  const isAboutToken = error instanceof errors.JWSSignatureVerificationFailed || error instanceof errors.JWSInvalid ||
    error instanceof errors.JOSEAlgNotAllowed || error instanceof errors.JWKSMultipleMatchingKeys;
  // What remains is a key of the set that cannot be imported: not the caller's fault.
  return isAboutToken ? "refused" : "unusable_key";
}
