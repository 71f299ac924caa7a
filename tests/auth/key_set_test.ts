import { assert, assertEquals } from "@std/assert";
import { type AuthStandIn, startAuthStandIn } from "./auth_stand_in.ts";
import { authenticatorOf, START } from "./authenticator_of.ts";
import { assertRefused, claimsOf, forge, makeKey, sign } from "./tokens.ts";

const first = await makeKey("ES256", "first");
const second = await makeKey("ES256", "second");

function unknownToken(auth: AuthStandIn, kid: string): string {
  return forge({ alg: "ES256", kid }, claimsOf(auth.url, START));
}

Deno.test("verify() fetches the key set when it has none, once for many tokens at a time, and keeps it", async () => {
  await using auth = startAuthStandIn([first.publicJwk]);
  const { verify } = authenticatorOf(auth);
  const tokens = await Promise.all(
    Array.from({ length: 40 }, (_, i) => sign(first, claimsOf(auth.url, START, { sub: `user-${i}` }))),
  );
  const results = await Promise.all(tokens.map(verify));
  assertEquals(results.filter(({ ok }) => ok).length, 40);
  assertEquals((await verify(await sign(first, claimsOf(auth.url, START, { sub: "late" })))).ok, true);
  assertEquals(auth.calls, { keys: 1, user: 0 });
});

Deno.test("verify() learns a new key from the Auth server when SUPABASE_JWKS does not have it", async () => {
  await using auth = startAuthStandIn([first.publicJwk, second.publicJwk]);
  const { verify } = authenticatorOf(auth, { jwks: { keys: [first.publicJwk] } });
  assertEquals((await verify(await sign(first, claimsOf(auth.url, START)))).ok, true);
  assertEquals(auth.calls.keys, 0);
  assertEquals((await verify(await sign(second, claimsOf(auth.url, START)))).ok, true);
  assertEquals(auth.calls.keys, 1);
});

Deno.test("verify() fetches for an unknown key at most every 30 s", async () => {
  await using auth = startAuthStandIn([first.publicJwk]);
  const { verify, clock } = authenticatorOf(auth, { jwks: { keys: [first.publicJwk] } });
  for (let i = 0; i < 20; i++) {
    const token = unknownToken(auth, `made-up-${i}`);
    assertRefused(await verify(token), "unauthorized", token);
  }
  assertEquals(auth.calls.keys, 1);

  auth.publicKeys = [second.publicJwk];
  const rotated = await sign(second, claimsOf(auth.url, START));
  clock.now = START + 29_999;
  assertRefused(await verify(rotated), "unauthorized", rotated);
  assertEquals(auth.calls.keys, 1);
  clock.now = START + 30_000;
  assertEquals((await verify(rotated)).ok, true);
  assertEquals(auth.calls.keys, 2);

  const withdrawn = await sign(first, claimsOf(auth.url, START));
  assertRefused(await verify(withdrawn), "unauthorized", withdrawn);
});

const outages: [name: string, answer: (request: Request) => Response | Promise<Response>][] = [
  ["500", () => Response.json({ msg: "Internal Server Error" }, { status: 500 })],
  ["429", () => new Response("Too many", { status: 429 })],
  ["404", () => new Response("Not found", { status: 404 })],
  ["a page", () => new Response("<h1>Hello</h1>", { headers: { "content-type": "text/html" } })],
  ["JSON that is no key set", () => Response.json({ keys: [{ kid: "first" }] })],
  [
    "a redirect",
    ({ url }) =>
      url.endsWith("/elsewhere")
        ? Response.json({ keys: [first.publicJwk] })
        : Response.redirect(new URL("/elsewhere", url)),
  ],
  [
    "silence",
    (request) => new Promise((resolve) => request.signal.addEventListener("abort", () => resolve(new Response()))),
  ],
];

for (const [name, answer] of outages) {
  Deno.test(`verify() is auth_unavailable when the key set is out of reach: ${name}`, async () => {
    await using auth = startAuthStandIn([first.publicJwk]);
    auth.answer = answer;
    const { verify, clock } = authenticatorOf(auth, { timeoutMs: 50 });
    const token = await sign(first, claimsOf(auth.url, START));
    assertRefused(await verify(token), "auth_unavailable", token);

    auth.answer = undefined;
    assertRefused(await verify(token), "auth_unavailable", token);
    assertEquals(auth.calls.keys, 1, "a failed fetch is repeated after a second");
    clock.now += 1_000;
    assertEquals((await verify(token)).ok, true);
    assertEquals(auth.calls.keys, 2);
    const unknown = unknownToken(auth, "made-up");
    assertRefused(await verify(unknown), "unauthorized", unknown);
  });
}

Deno.test("verify() is auth_unavailable when nobody listens, and goes on with the keys it knows", async () => {
  const auth = startAuthStandIn();
  await auth[Symbol.asyncDispose]();
  const { verify } = authenticatorOf(auth, { jwks: { keys: [first.publicJwk] } });
  const unknown = await sign(second, claimsOf(auth.url, START));
  assertRefused(await verify(unknown), "auth_unavailable", unknown);
  const known = await sign(first, claimsOf(auth.url, START));
  assertEquals((await verify(known)).ok, true);
});

Deno.test("verify() asks a failing key server less and less often, down to every 30 s", async () => {
  await using auth = startAuthStandIn();
  auth.answer = () => new Response(null, { status: 503 });
  const { verify, clock } = authenticatorOf(auth);
  const askedAt: number[] = [];
  for (; clock.now < START + 100_000; clock.now += 500) {
    const before = auth.calls.keys;
    await verify(unknownToken(auth, `made-up-${clock.now}`));
    if (auth.calls.keys > before) askedAt.push((clock.now - START) / 1000);
  }
  assertEquals(askedAt, [0, 1, 3, 7, 15, 31, 61, 91]);
});

Deno.test("verify() imports a key once for all the tokens it signs", async () => {
  await using auth = startAuthStandIn([first.publicJwk]);
  const original = crypto.subtle.importKey;
  let imports = 0;
  crypto.subtle.importKey = ((...args: Parameters<typeof original>) => {
    imports++;
    return original.apply(crypto.subtle, args);
  }) as typeof original;
  try {
    const { verify } = authenticatorOf(auth);
    for (let i = 0; i < 10; i++) {
      assert((await verify(await sign(first, claimsOf(auth.url, START, { sub: `user-${i}` })))).ok);
    }
    assertEquals(imports, 1);
  } finally {
    crypto.subtle.importKey = original;
  }
});
