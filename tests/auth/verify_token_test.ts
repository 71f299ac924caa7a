import { assert, assertEquals } from "@std/assert";
import { type AuthSettings, createAuthenticator } from "../../shared/auth/create_authenticator.ts";
import type { ErrorCode } from "../../shared/protocol/codes.ts";
import { API_KEY, startAuthStandIn } from "./auth_stand_in.ts";
import { assertRefused, claimsOf, EMAIL, forge, makeKey, sign, signSymmetric, USER_ID, valueOf } from "./tokens.ts";

const URL_OF_PROJECT = "https://abcdefghijklmnopqrst.supabase.co";
const NOW = Date.UTC(2026, 10, 20);
const key = await makeKey("ES256", "current");
const otherKey = await makeKey("ES256", "current");

/** The settings of a project whose keys are known and whose Auth server must not be asked. */
const offline: AuthSettings = {
  supabaseUrl: URL_OF_PROJECT,
  apiKey: API_KEY,
  jwks: { keys: [key.publicJwk] },
  now: () => NOW,
  fetch: (input) => Promise.reject(new Error(`asked over the network: ${String(input)}`)),
};

for (const algorithm of ["ES256", "RS256", "EdDSA"]) {
  Deno.test(`verify() accepts a good ${algorithm} token and asks nobody`, async () => {
    const signer = await makeKey(algorithm, "k1");
    let calls = 0;
    const { verify } = createAuthenticator({
      ...offline,
      jwks: { keys: [signer.publicJwk] },
      fetch: () => Promise.reject(new Error(`call ${++calls}`)),
    });
    assertEquals(valueOf(await verify(await sign(signer, claimsOf(URL_OF_PROJECT, NOW)))), {
      userId: USER_ID,
      role: "authenticated",
      name: "Ada Lovelace",
      expiresAt: NOW + 3_600_000,
    });
    assertEquals(calls, 0);
  });
}

Deno.test("verify() finds the key of a token without a key id where there is one for its algorithm", async () => {
  const rsa = await makeKey("RS256", "other");
  const { verify } = createAuthenticator({ ...offline, jwks: { keys: [key.publicJwk, rsa.publicJwk] } });
  const { SignJWT } = await import("jose");
  const token = await new SignJWT(claimsOf(URL_OF_PROJECT, NOW)).setProtectedHeader({ alg: "ES256" }).sign(
    key.privateKey,
  );
  assertEquals((await verify(token)).ok, true);
});

const seconds = NOW / 1000;
const claimTable: [name: string, changes: Record<string, unknown>, code: ErrorCode | "accepted"][] = [
  ["expired", { exp: seconds - 1 }, "token_expired"],
  ["expires now", { exp: seconds }, "token_expired"],
  ["expires in a second", { exp: seconds + 1 }, "accepted"],
  ["no exp", { exp: undefined }, "unauthorized"],
  ["exp is text", { exp: String(seconds + 60) }, "unauthorized"],
  ["exp is null", { exp: null }, "unauthorized"],
  ["exp beyond every date", { exp: 1e300 }, "unauthorized"],
  ["not valid yet", { nbf: seconds + 6 }, "unauthorized"],
  ["not valid yet, within the clock tolerance", { nbf: seconds + 5 }, "accepted"],
  ["nbf is text", { nbf: "yesterday" }, "unauthorized"],
  ["wrong issuer", { iss: "https://elsewhere.example.com/auth/v1" }, "unauthorized"],
  ["issuer with a trailing slash", { iss: `${URL_OF_PROJECT}/auth/v1/` }, "unauthorized"],
  ["issuer in a list", { iss: [`${URL_OF_PROJECT}/auth/v1`] }, "unauthorized"],
  ["no issuer", { iss: undefined }, "unauthorized"],
  ["wrong audience", { aud: "another" }, "unauthorized"],
  ["wrong audiences", { aud: ["another", "one"] }, "unauthorized"],
  ["one audience of two", { aud: ["another", "authenticated"] }, "accepted"],
  ["no audience", { aud: undefined }, "unauthorized"],
  ["role anon", { role: "anon" }, "unauthorized"],
  ["role service_role", { role: "service_role" }, "unauthorized"],
  ["no role", { role: undefined }, "unauthorized"],
  ["no sub", { sub: undefined }, "unauthorized"],
  ["empty sub", { sub: "" }, "unauthorized"],
  ["sub is a number", { sub: 7 }, "unauthorized"],
];

for (const [name, changes, code] of claimTable) {
  Deno.test(`verify() with claims: ${name} → ${code}`, async () => {
    const token = await sign(key, claimsOf(URL_OF_PROJECT, NOW, changes));
    const result = await createAuthenticator(offline).verify(token);
    if (code === "accepted") assert(result.ok);
    else assertRefused(result, code, token);
  });
}

const good = await sign(key, claimsOf(URL_OF_PROJECT, NOW));
const [goodHeader = "", goodClaims = "", goodSignature = ""] = good.split(".");
const claims = claimsOf(URL_OF_PROJECT, NOW);
const header = { alg: "ES256", kid: "current" };
/** The anon key of every local Supabase, in form: a token without a user, of another issuer. */
const anonKey = await signSymmetric({ iss: "supabase-demo", role: "anon", exp: seconds + 3600 });
const garbageTable: [name: string, token: string][] = [
  ["empty", ""],
  ["a word", "garbage"],
  ["two parts", `${goodHeader}.${goodClaims}`],
  ["four parts", `${good}.${goodSignature}`],
  ["five parts, as an encrypted token has", "a.b.c.d.e"],
  ["dots", "..."],
  ["white space around", ` ${good} `],
  ["not base64", "a+b/c.d+e/f.g+h/i"],
  ["letters that only look alike", good.replace("e", "е")],
  ["header is not JSON", forge("no JSON", claims)],
  ["header is a list", forge([header], claims)],
  ["header is null", forge("null", claims)],
  ["claims are not JSON", forge(header, "no JSON")],
  ["claims are a number", forge(header, "7")],
  ["claims are not UTF-8", `${goodHeader}.${btoa('{"x":"\xff"}').replaceAll("=", "")}.${goodSignature}`],
  ["no alg", forge({ kid: "current" }, claims)],
  ["alg is an object", forge({ alg: {} }, claims)],
  ["alg none without a signature", forge({ alg: "none" }, claims, "")],
  ["alg none with a signature", forge({ alg: "none" }, claims)],
  ["alg NONE", forge({ alg: "NONE", kid: "current" }, claims)],
  ["alg HS512", forge({ alg: "HS512" }, claims)],
  ["alg ES384", forge({ alg: "ES384", kid: "current" }, claims)],
  ["alg es256", forge({ alg: "es256", kid: "current" }, claims)],
  ["critical extensions", forge({ ...header, crit: ["exp"], exp: 1 }, claims)],
  ["key brought along", forge({ ...header, jwk: otherKey.publicJwk }, claims)],
  ["signature missing", `${goodHeader}.${goodClaims}.`],
  [
    "signature of another token",
    `${(await sign(key, { ...claims, sub: "x" })).split(".", 2).join(".")}.${goodSignature}`,
  ],
  ["wrong key", await sign(otherKey, claims)],
  ["anon key as token", anonKey],
  ["publishable key as token", "sb_publishable_ACJWlzQHlZjBrEguHvfOxg_3BJgxAaH"],
  ["oversize, though good", await sign(key, { ...claims, filler: "a".repeat(8_192) })],
];

for (const [name, token] of garbageTable) {
  Deno.test(`verify() refuses garbage: ${name}`, async () => {
    let calls = 0;
    const { verify } = createAuthenticator({ ...offline, fetch: () => Promise.reject(new Error(`call ${++calls}`)) });
    assertRefused(await verify(token), "unauthorized", token);
    assertEquals(calls, 0, "garbage cost a network call");
  });
}

Deno.test("verify() fetches no keys for a token that could not pass with any", async () => {
  const asked: string[] = [];
  const { verify } = createAuthenticator({
    ...offline,
    jwks: undefined,
    fetch: (input) => {
      asked.push(String(input));
      return Promise.reject(new Error("offline"));
    },
  });
  const expired = await sign(key, claimsOf(URL_OF_PROJECT, NOW, { exp: seconds }));
  for (const algorithm of ["none", "HS512", "ES384", "PS256"]) {
    await verify(forge({ ...header, alg: algorithm }, claims));
  }
  for (const token of [expired, anonKey, "garbage", `${good}.${goodSignature}`, ` ${good}`]) await verify(token);
  assertEquals(asked, []);
  await verify(good);
  assertEquals(asked, [`${URL_OF_PROJECT}/auth/v1/.well-known/jwks.json`]);
});

Deno.test("verify() does not take the public key of the set for the secret of an HS256 token", async () => {
  await using auth = startAuthStandIn([key.publicJwk]);
  const { exportSPKI, importJWK } = await import("jose");
  const pem = await exportSPKI(await importJWK({ ...key.publicJwk, ext: true }, "ES256") as CryptoKey);
  const { verify } = createAuthenticator({
    ...offline,
    supabaseUrl: auth.url,
    jwks: { keys: [key.publicJwk, { kty: "oct", k: "YQ", alg: "HS256", kid: "current" }] },
    fetch,
  });
  for (const secret of [pem, JSON.stringify(key.publicJwk), "a"]) {
    const token = await signSymmetric(claimsOf(auth.url, NOW), new TextEncoder().encode(secret));
    assertRefused(await verify(token), "unauthorized", token);
  }
});

Deno.test("verify() blames the key set, not the token, when the token's key cannot be imported", async () => {
  const { x: _x, ...broken } = key.publicJwk;
  for (const publicJwk of [{ ...broken, kty: "EC" }, { ...key.publicJwk, kty: "EC", d: key.publicJwk.x }]) {
    const result = await createAuthenticator({ ...offline, jwks: { keys: [publicJwk] } }).verify(good);
    assertRefused(result, "auth_unavailable", good);
  }
});

Deno.test("createAuthenticator() accepts the issuers, audience and roles it is given", async () => {
  const { verify } = createAuthenticator({
    ...offline,
    issuer: ["https://auth.example.com", "http://127.0.0.1:54321/auth/v1"],
    audience: "sockets",
    allowedRoles: ["authenticated", "moderator"],
  });
  const accepted = { iss: "https://auth.example.com", aud: "sockets", role: "moderator" };
  assertEquals((await verify(await sign(key, claimsOf("", NOW, accepted)))).ok, true);
  for (const changes of [{ iss: `${URL_OF_PROJECT}/auth/v1` }, { aud: "authenticated" }, { role: "anon" }]) {
    const token = await sign(key, claimsOf("", NOW, { ...accepted, ...changes }));
    assertRefused(await verify(token), "unauthorized", token);
  }
});

const nameTable: [name: string, metadata: unknown, expected: string | undefined][] = [
  ["name first", { name: "Ada", full_name: "Ada Lovelace", user_name: "ada" }, "Ada"],
  ["full_name next", { full_name: " Ada Lovelace ", user_name: "ada" }, "Ada Lovelace"],
  ["user_name last", { name: "", full_name: 7, user_name: "ada" }, "ada"],
  ["never the e-mail", { email: EMAIL, name: EMAIL, preferred_username: EMAIL }, undefined],
  ["nothing there", {}, undefined],
  ["no metadata", undefined, undefined],
  ["metadata is text", "Ada", undefined],
  ["cut when long", { name: "a".repeat(500) }, "a".repeat(100)],
];

for (const [name, metadata, expected] of nameTable) {
  Deno.test(`verify() names the user: ${name}`, async () => {
    const token = await sign(key, claimsOf(URL_OF_PROJECT, NOW, { user_metadata: metadata }));
    assertEquals(valueOf(await createAuthenticator(offline).verify(token)).name, expected);
  });
}
