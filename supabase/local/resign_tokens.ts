import { compactVerify, decodeProtectedHeader, importJWK, type JWTPayload, jwtVerify, SignJWT } from "jose";
import { hmacKey, importSigningKey, type JwtAlgorithm, type ProjectKeys } from "./keys.ts";

const MAX_CACHED_TOKENS = 1_000;

/** Translates between the tokens that a hosted project shows its users and those that Supabase Lite knows (HS256). */
export interface TokenResigner {
  /**
   * A session as Auth answers it, with an access token as a hosted project signs it: with `iss`, the user's metadata
   * and the algorithm asked for. Anything that is no session comes back as it is.
   */
  outward(session: unknown): Promise<unknown>;
  /** The token that Lite accepts for a user's token; a token that this project did not sign comes back as it is. */
  inward(token: string): Promise<string>;
  /** The claims of a token that this project signed and that is valid now; otherwise undefined. */
  verify(token: string): Promise<JWTPayload | undefined>;
}

/** A session, as far as it is read here. */
interface Session {
  access_token: string;
  user?: Record<string, unknown>;
}

/** Makes a resigner. `issuer` is the `iss` of user tokens: the URL of Auth. */
export async function resignTokens(
  keys: ProjectKeys,
  { issuer, algorithm }: { issuer: string; algorithm: JwtAlgorithm },
): Promise<TokenResigner> {
  const secret = hmacKey(keys);
  const signingKey = await importSigningKey(keys);
  const publicKey = await importJWK(keys.publicKey, "ES256") as CryptoKey;
  const inwardTokens = new Map<string, string>();

  function signOutward(claims: JWTPayload): Promise<string> {
    const token = new SignJWT(claims);
    if (algorithm === "HS256") return token.setProtectedHeader({ alg: "HS256", typ: "JWT" }).sign(secret);
    return token.setProtectedHeader({ alg: "ES256", typ: "JWT", kid: keys.signingKey.kid }).sign(signingKey);
  }

  /** Leaves `exp` to Lite, so that an expired token gets the answer that Auth or PostgREST gives to one. */
  async function translate(token: string): Promise<string> {
    const { payload } = await compactVerify(token, publicKey, { algorithms: ["ES256"] });
    const claims = JSON.parse(new TextDecoder().decode(payload)) as JWTPayload;
    return new SignJWT(claims).setProtectedHeader({ alg: "HS256", typ: "JWT" }).sign(secret);
  }

  return {
    async outward(session) {
      if (!isSession(session)) return session;
      const { payload } = await jwtVerify(session.access_token, secret, { algorithms: ["HS256"] });
      return {
        ...session,
        access_token: await signOutward({ ...hostedClaims(session.user), ...payload, iss: issuer }),
      };
    },

    async inward(token) {
      if (algorithmOf(token) !== "ES256") return token;
      const known = inwardTokens.get(token);
      if (known !== undefined) return known;
      try {
        const translated = await translate(token);
        if (inwardTokens.size >= MAX_CACHED_TOKENS) inwardTokens.delete(inwardTokens.keys().next().value!);
        inwardTokens.set(token, translated);
        return translated;
      } catch {
        return token; // Not ours: Lite refuses it with the error its clients know.
      }
    },

    async verify(token) {
      try {
        const isAsymmetric = algorithmOf(token) === "ES256";
        const { payload } = isAsymmetric
          ? await jwtVerify(token, publicKey, { algorithms: ["ES256"] })
          : await jwtVerify(token, secret, { algorithms: ["HS256"] });
        return payload;
      } catch {
        return undefined; // Any reason counts the same here: the caller answers 401.
      }
    },
  };
}

function algorithmOf(token: string): string | undefined {
  try {
    return decodeProtectedHeader(token).alg;
  } catch {
    return undefined; // Not a token at all.
  }
}

function isSession(value: unknown): value is Session {
  return typeof value === "object" && value !== null && "access_token" in value &&
    typeof value.access_token === "string";
}

/** The claims that a hosted project adds from the user's record. */
function hostedClaims(user: Record<string, unknown> = {}): JWTPayload {
  return {
    phone: user.phone ?? "",
    app_metadata: user.app_metadata ?? {},
    user_metadata: user.user_metadata ?? {},
    aal: "aal1",
    is_anonymous: user.is_anonymous ?? false,
  };
}
