import { assert, assertEquals, assertNotEquals, assertStrictEquals } from "@std/assert";
import { createAuthenticator } from "../../shared/auth/create_authenticator.ts";
import { API_KEY } from "./auth_stand_in.ts";
import { assertRefused, claimsOf, makeKey, sign } from "./tokens.ts";

const URL_OF_PROJECT = "https://abcdefghijklmnopqrst.supabase.co";
const START = Date.UTC(2026, 10, 20);
const key = await makeKey("ES256", "current");

/** Runs the test with a count of the signatures that WebCrypto checked. */
async function countingChecks(run: (checks: () => number) => Promise<void>): Promise<void> {
  const original = crypto.subtle.verify;
  let checks = 0;
  crypto.subtle.verify = ((...args: Parameters<typeof original>) => {
    checks++;
    return original.apply(crypto.subtle, args);
  }) as typeof original;
  try {
    await run(() => checks);
  } finally {
    crypto.subtle.verify = original;
  }
}

function authenticator(maxCachedTokens?: number) {
  const clock = { now: START };
  const settings = { supabaseUrl: URL_OF_PROJECT, apiKey: API_KEY, jwks: { keys: [key.publicJwk] }, maxCachedTokens };
  return { ...createAuthenticator({ ...settings, now: () => clock.now }), clock };
}

function tokenOf(sub: string, seconds = 3600): Promise<string> {
  return sign(key, claimsOf(URL_OF_PROJECT, START, { sub, exp: START / 1000 + seconds }));
}

Deno.test("verify() checks the signature of a token once, also for many callers at a time", async () => {
  await countingChecks(async (checks) => {
    const { verify } = authenticator();
    const token = await tokenOf("a");
    const results = await Promise.all([verify(token), verify(token), verify(token)]);
    results.push(await verify(token));
    const identities = results.map((result) => result.ok ? result.value : undefined);
    assert(identities[0]);
    for (const identity of identities) assertStrictEquals(identity, identities[0]);
    assertEquals(checks(), 1);
  });
});

Deno.test("verify() forgets a token when it expires", async () => {
  const { verify, clock } = authenticator();
  const token = await tokenOf("a", 10);
  assert((await verify(token)).ok);
  clock.now = START + 9_999;
  assert((await verify(token)).ok);
  clock.now = START + 10_000;
  assertRefused(await verify(token), "token_expired", token);
});

Deno.test("verify() keeps so many tokens and no more, those used last", async () => {
  await countingChecks(async (checks) => {
    const { verify } = authenticator(2);
    const [a, b, c] = [await tokenOf("a"), await tokenOf("b"), await tokenOf("c")];
    for (const token of [a, b, a, c]) assert((await verify(token)).ok);
    assertEquals(checks(), 3);
    assert((await verify(a)).ok && (await verify(c)).ok);
    assertEquals(checks(), 3);
    assert((await verify(b)).ok);
    assertEquals(checks(), 4);
  });
});

Deno.test("verify() does not mistake a changed token for the one it knows", async () => {
  const { verify } = authenticator();
  const known = await tokenOf("a");
  const other = await tokenOf("b");
  assert((await verify(known)).ok);
  const [header, , signature] = known.split(".");
  const mixed = [header, other.split(".")[1], signature].join(".");
  assertNotEquals(mixed, known);
  assertRefused(await verify(mixed), "unauthorized", mixed);
});

Deno.test("verify() hands out an identity that nobody can change", async () => {
  const result = await authenticator().verify(await tokenOf("a"));
  assert(result.ok && Object.isFrozen(result.value));
});
