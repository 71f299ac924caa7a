// deno-lint-ignore-file no-console -- one test silences what Lite writes there
import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { createRemoteJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify } from "jose";
import { createClient } from "@supabase/supabase-js";
import { type SignedUp, signUp, testClient } from "../support/sign_up.ts";
import { startTestLocal } from "../support/start_local.ts";
import { MIGRATIONS, NO_FUNCTIONS } from "./fixtures/mod.ts";

const OPTIONS = { migrationsDir: MIGRATIONS, functionsDir: NO_FUNCTIONS };

for (const jwtAlgorithm of ["ES256", "HS256"] as const) {
  Deno.test(`users sign up, sign in and refresh with ${jwtAlgorithm} tokens`, async (t) => {
    await using local = await startTestLocal({ ...OPTIONS, jwtAlgorithm });
    const { email, userId, accessToken } = await signUp(local, "ada");

    await t.step("the token looks like one of a hosted project", () => {
      const header = decodeProtectedHeader(accessToken);
      const claims = decodeJwt(accessToken);
      assertEquals([header.alg, typeof header.kid], [jwtAlgorithm, jwtAlgorithm === "ES256" ? "string" : "undefined"]);
      assertEquals([claims.iss, claims.aud, claims.sub], [`${local.url}/auth/v1`, "authenticated", userId]);
      assertEquals([claims.role, claims.email, claims.aal, claims.is_anonymous], [
        "authenticated",
        email,
        "aal1",
        false,
      ]);
      assertEquals((claims.user_metadata as { name: string }).name, "ada");
      assert(claims.exp! > Date.now() / 1000 && typeof claims.session_id === "string");
    });

    await t.step("getClaims() verifies it, over the network only where it must", async () => {
      const asked: string[] = [];
      const supabase = createClient(local.url, local.publishableKey, {
        auth: { persistSession: false, autoRefreshToken: false },
        global: {
          fetch: (input, init) => {
            asked.push(new URL(String(input)).pathname);
            return fetch(input, init);
          },
        },
      });
      const { data } = await supabase.auth.getClaims(accessToken);
      assertEquals(data?.claims.sub, userId);
      assertEquals(asked, [jwtAlgorithm === "ES256" ? "/auth/v1/.well-known/jwks.json" : "/auth/v1/user"]);
    });

    await t.step("sign in, getUser(), refresh: each token is new, and the same user's", async () => {
      const supabase = testClient(local);
      const signedIn = await supabase.auth.signInWithPassword({ email, password: "correct horse" });
      assertEquals(signedIn.error, null);
      assertEquals((await supabase.auth.getUser()).data.user?.id, userId);
      const refreshed = await supabase.auth.refreshSession();
      assertEquals(refreshed.error, null);
      assertNotEquals(refreshed.data.session!.refresh_token, signedIn.data.session!.refresh_token);
      const { access_token } = refreshed.data.session!;
      assertEquals([decodeProtectedHeader(access_token).alg, decodeJwt(access_token).sub], [jwtAlgorithm, userId]);
      assertEquals((await supabase.rpc("who_am_i")).data.uid, userId);
    });

    await t.step("a wrong password is refused as by a hosted project", async () => {
      const { error } = await testClient(local).auth.signInWithPassword({ email, password: "wrong" });
      assertEquals([error?.status, error?.code], [400, "invalid_credentials"]);
    });
  });
}

Deno.test("tokens and keys that are not the project's are refused", async (t) => {
  await using local = await startTestLocal(OPTIONS);
  await using other = await startTestLocal(OPTIONS);
  const { accessToken } = await signUp(other);
  const ask = (headers: Record<string, string>) => fetch(`${local.url}/rest/v1/notes`, { headers });

  await t.step("the key set verifies a token of this project and of no other", async () => {
    const keySet = createRemoteJWKSet(new URL(`${other.url}/auth/v1/.well-known/jwks.json`));
    assert((await jwtVerify(accessToken, keySet)).payload.sub);
  });

  const cases: [what: string, headers: Record<string, string>, status: number][] = [
    ["no apikey", {}, 401],
    ["a wrong apikey", { apikey: "sb_publishable_wrong" }, 401],
    ["another project's anon key", { apikey: other.anonKey }, 401],
    ["another project's token", { apikey: local.anonKey, authorization: `Bearer ${accessToken}` }, 401],
    ["a token that is none", { apikey: local.anonKey, authorization: "Bearer nonsense" }, 401],
    ["a token without a signature", { apikey: local.anonKey, authorization: `Bearer ${unsigned(accessToken)}` }, 401],
  ];
  for (const [what, headers, status] of cases) {
    await t.step(what, async () => {
      const response = await ask(headers);
      await response.body?.cancel();
      assertEquals(response.status, status);
    });
  }

  await t.step("a token of this project, by either style of key", async () => {
    const { accessToken } = await signUp(local);
    for (const apikey of [local.anonKey, local.publishableKey]) {
      const response = await ask({ apikey, authorization: `Bearer ${accessToken}` });
      assertEquals([response.status, await response.json()], [200, []]);
    }
  });
});

Deno.test("200 overlapping calls of 20 users: none runs under another's name", async () => {
  await using local = await startTestLocal(OPTIONS);
  assertEquals(await mixUps(local), 0);
});

Deno.test("without the lock the same calls do mix up: the test above can fail", async () => {
  await using local = await startTestLocal({ ...OPTIONS, lock: false });
  const { error } = console;
  console.error = () => {}; // Lite writes every failed statement to the console.
  try {
    assert(await mixUps(local) > 0);
  } finally {
    console.error = error;
  }
});

/** How many of 200 overlapping calls of 20 users ran as somebody else, or failed. */
async function mixUps(local: Parameters<typeof signUp>[0]): Promise<number> {
  const users: SignedUp[] = [];
  for (let i = 0; i < 20; i++) users.push(await signUp(local, `user-${i}`));
  const calls = Array.from({ length: 200 }, async (_, i) => {
    const { supabase, userId } = users[i % users.length]!;
    const { data, error } = await supabase.rpc("who_am_i");
    return error === null && data.uid === userId && data.jwt.sub === userId;
  });
  return (await Promise.all(calls)).filter((isRight) => !isRight).length;
}

function unsigned(token: string): string {
  const [, claims] = token.split(".");
  return `${btoa(JSON.stringify({ alg: "none" })).replace(/=/g, "")}.${claims}.`;
}
