import { fileURLToPath } from "node:url";
import { exportJWK, generateKeyPair, importJWK, type JWK, SignJWT } from "jose";

/** The signature of user tokens: ES256 as on a new hosted project, or HS256 as on one with a legacy JWT secret. */
export type JwtAlgorithm = "ES256" | "HS256";

/** What must stay the same for tokens and keys to stay valid over a restart. JSON; secret. */
export interface KeyMaterial {
  jwtSecret: string;
  /** The private ES256 key, with its `kid`. */
  signingKey: JWK;
  publishableKey: string;
  secretKey: string;
  /** Legacy key: an HS256 token with the role `anon`. */
  anonKey: string;
  /** Legacy key: an HS256 token with the role `service_role`. */
  serviceRoleKey: string;
}

/** The keys of one local project, both styles. */
export interface ProjectKeys extends KeyMaterial {
  /** The public half of the signing key, as `jwks.json` shows it. */
  publicKey: JWK;
}

const LEGACY_KEY_LIFETIME = "10y";

/** Makes keys for one run. */
export async function createKeys(): Promise<ProjectKeys> {
  const { privateKey } = await generateKeyPair("ES256", { extractable: true });
  const jwtSecret = randomText(32);
  return withPublicKey({
    jwtSecret,
    signingKey: { ...await exportJWK(privateKey), kid: crypto.randomUUID(), alg: "ES256" },
    publishableKey: `sb_publishable_${randomText(16)}`,
    secretKey: `sb_secret_${randomText(16)}`,
    anonKey: await legacyKey("anon", jwtSecret),
    serviceRoleKey: await legacyKey("service_role", jwtSecret),
  });
}

/**
 * Reads the keys from `file`, or makes them and writes them there (readable by its owner only), so that a page that
 * is open and a token that is stored outlive a restart.
 *
 * @throws {Error} that names the file if it holds something else
 */
export async function loadKeys(file: URL): Promise<ProjectKeys> {
  const text = await Deno.readTextFile(file).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
  if (text !== undefined) return readKeys(text, file);
  const { publicKey: _, ...material } = await createKeys();
  await Deno.mkdir(new URL(".", file), { recursive: true });
  await Deno.writeTextFile(file, JSON.stringify(material, null, 2), { mode: 0o600 });
  return withPublicKey(material);
}

function readKeys(text: string, file: URL): ProjectKeys {
  try {
    return withPublicKey(JSON.parse(text) as KeyMaterial);
  } catch {
    // What is wrong with it is not said, as that would quote it.
    throw new Error(`Cannot read the keys in ${fileURLToPath(file)}: without that file new ones are made`);
  }
}

/** The private key to sign user tokens with. */
export async function importSigningKey(keys: KeyMaterial): Promise<CryptoKey> {
  return await importJWK(keys.signingKey, "ES256") as CryptoKey;
}

/** The key for HS256 signatures, from the project's JWT secret. */
export function hmacKey(keys: Pick<KeyMaterial, "jwtSecret">): Uint8Array {
  return new TextEncoder().encode(keys.jwtSecret);
}

function withPublicKey(material: KeyMaterial): ProjectKeys {
  const { kty, crv, x, y, kid } = material.signingKey;
  return { ...material, publicKey: { kty, crv, x, y, kid, alg: "ES256", use: "sig", key_ops: ["verify"] } };
}

function legacyKey(role: string, jwtSecret: string): Promise<string> {
  return new SignJWT({ role, ref: "local" })
    .setProtectedHeader({ alg: "HS256", typ: "JWT" })
    .setIssuer("supabase")
    .setIssuedAt()
    .setExpirationTime(LEGACY_KEY_LIFETIME)
    .sign(hmacKey({ jwtSecret }));
}

function randomText(bytes: number): string {
  return crypto.getRandomValues(new Uint8Array(bytes)).toHex();
}
