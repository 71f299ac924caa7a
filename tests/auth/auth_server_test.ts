import { assert, assertEquals } from "@std/assert";
import type { ErrorCode } from "../../shared/protocol/codes.ts";
import { log } from "../../shared/telemetry/log.ts";
import { type AuthStandIn, startAuthStandIn } from "./auth_stand_in.ts";
import { authenticatorOf, START } from "./authenticator_of.ts";
import { assertRefused, claimsOf, makeKey, sign, signSymmetric, USER_ID } from "./tokens.ts";

const ANOTHER_SECRET = new TextEncoder().encode("another secret of at least thirty-two characters");

/** The stand-in checks `exp` by the real clock, this side by the test's: tokens hold for both. */
function claimsForBoth(auth: AuthStandIn, changes: Record<string, unknown> = {}) {
  return claimsOf(auth.url, START, { exp: Math.floor(Math.max(START, Date.now()) / 1000) + 3600, ...changes });
}

Deno.test("verify() asks the Auth server about an HS256 token once, and keeps the answer", async () => {
  await using auth = startAuthStandIn();
  const { verify } = authenticatorOf(auth);
  const token = await signSymmetric(claimsForBoth(auth));
  const results = await Promise.all(Array.from({ length: 50 }, () => verify(token)));
  assert(results.every((result) => result.ok && result.value.userId === USER_ID));
  assert((await verify(token)).ok);
  assertEquals(auth.calls, { user: 1, keys: 0 });
});

Deno.test("verify() refuses a forged HS256 token, and asks again only after 30 s", async () => {
  await using auth = startAuthStandIn();
  const { verify, clock } = authenticatorOf(auth);
  const token = await signSymmetric(claimsForBoth(auth), ANOTHER_SECRET);
  for (let i = 0; i < 5; i++) assertRefused(await verify(token), "unauthorized", token);
  assertEquals(auth.calls.user, 1);
  clock.now += 30_000;
  assertRefused(await verify(token), "unauthorized", token);
  assertEquals(auth.calls.user, 2);
});

const answers: [name: string, code: ErrorCode, answer: (request: Request) => Response | Promise<Response>][] = [
  ["403 bad_jwt", "unauthorized", () => Response.json({ code: "bad_jwt", message: "invalid JWT" }, { status: 403 })],
  [
    "403 user_banned",
    "unauthorized",
    () => Response.json({ code: 403, error_code: "user_banned", msg: "User is banned" }, { status: 403 }),
  ],
  [
    "403 session_not_found",
    "unauthorized",
    () => Response.json({ code: 403, error_code: "session_not_found", msg: "gone" }, { status: 403 }),
  ],
  ["401", "unauthorized", () => Response.json({ code: 401, msg: "Invalid token" }, { status: 401 })],
  ["401 for the API key", "auth_unavailable", () => Response.json({ message: "Invalid API key" }, { status: 401 })],
  [
    "401 for no API key",
    "auth_unavailable",
    () => Response.json({ message: "No API key found in request" }, { status: 401 }),
  ],
  ["404", "auth_unavailable", () => Response.json({ error: "not found" }, { status: 404 })],
  [
    "429",
    "auth_unavailable",
    () => Response.json({ code: "over_request_rate_limit", message: "slow down" }, { status: 429 }),
  ],
  ["429 as text", "auth_unavailable", () => new Response("slow down", { status: 429 })],
  ["500", "auth_unavailable", () => Response.json({ msg: "Internal Server Error" }, { status: 500 })],
  ["502 as a page", "auth_unavailable", () => new Response("<h1>Bad gateway</h1>", { status: 502 })],
  ["503 with an empty body", "auth_unavailable", () => new Response(null, { status: 503 })],
  ["507", "auth_unavailable", () => Response.json({ msg: "full" }, { status: 507 })],
  ["522 of a gateway", "auth_unavailable", () => new Response("", { status: 522 })],
  ["200 that is no JSON", "auth_unavailable", () => new Response("<h1>Hello</h1>")],
  ["200 without a user", "auth_unavailable", () => Response.json({})],
  ["200 with another user", "auth_unavailable", () => Response.json({ id: crypto.randomUUID() })],
  [
    "silence",
    "auth_unavailable",
    (request) => new Promise((resolve) => request.signal.addEventListener("abort", () => resolve(new Response()))),
  ],
];

for (const [name, code, answer] of answers) {
  Deno.test(`verify() of an HS256 token when the Auth server answers ${name} → ${code}`, async () => {
    await using auth = startAuthStandIn();
    auth.answer = answer;
    const { verify } = authenticatorOf(auth, { timeoutMs: name === "silence" ? 50 : 5_000 });
    const token = await signSymmetric(claimsForBoth(auth));
    assertRefused(await verify(token), code, token);

    // What says nothing about the token is forgotten at once.
    auth.answer = undefined;
    assertEquals((await verify(token)).ok, code === "auth_unavailable");
  });
}

Deno.test("verify() is auth_unavailable when no Auth server listens", async () => {
  const auth = startAuthStandIn();
  await auth[Symbol.asyncDispose]();
  const token = await signSymmetric(claimsForBoth(auth));
  assertRefused(await authenticatorOf(auth).verify(token), "auth_unavailable", token);
});

Deno.test("verify() is auth_unavailable, and not rejected, where no client of the Auth server can be made", async () => {
  await using auth = startAuthStandIn();
  const { verify } = authenticatorOf(auth, { supabaseUrl: "no address" });
  const token = await signSymmetric(claimsForBoth(auth, { iss: "no address/auth/v1" }));
  const before = log.written.error;
  for (let i = 0; i < 2; i++) assertRefused(await verify(token), "auth_unavailable", token);
  assertEquals(log.written.error - before, 2);
});

Deno.test("verify() bounds the calls a flood of forged HS256 tokens can cause at a time", async () => {
  await using auth = startAuthStandIn();
  const { verify } = authenticatorOf(auth);
  const released = Promise.withResolvers<void>();
  const full = Promise.withResolvers<void>();
  let active = 0, most = 0;
  auth.answer = async () => {
    most = Math.max(most, ++active);
    if (active === 32) full.resolve();
    await released.promise;
    active--;
    return Response.json({ code: 403, error_code: "bad_jwt", msg: "no" }, { status: 403 });
  };
  const tokens = await Promise.all(
    Array.from({ length: 200 }, (_, i) => signSymmetric(claimsForBoth(auth, { sub: `u${i}` }), ANOTHER_SECRET)),
  );
  const verdicts = tokens.map(verify);
  await full.promise;
  released.resolve();
  const codes = (await Promise.all(verdicts)).map((result) => result.ok ? "ok" : result.error.code);
  assertEquals(most, 32);
  assertEquals(codes.filter((code) => code === "unauthorized").length, 32 + 64);
  assertEquals(codes.filter((code) => code === "auth_unavailable").length, 200 - 32 - 64);
});

Deno.test("verify() without HS256 among its algorithms asks the Auth server about no token, and takes the others", async () => {
  const key = await makeKey("ES256", "current");
  await using auth = startAuthStandIn([key.publicJwk]);
  const { verify } = authenticatorOf(auth, { algorithms: ["ES256"] });
  for (const secret of [undefined, ANOTHER_SECRET]) {
    const token = await signSymmetric(claimsForBoth(auth), secret);
    const result = await verify(token);
    assertRefused(result, "unauthorized", token);
    assertEquals(result.ok || result.error.message, "The algorithm of the token must be ES256");
  }
  assertEquals(auth.calls, { user: 0, keys: 0 });
  assert((await verify(await sign(key, claimsForBoth(auth)))).ok);
  const other = await makeKey("RS256", "other");
  const token = await sign(other, claimsForBoth(auth));
  assertRefused(await verify(token), "unauthorized", token);
});
