import { assert, assertEquals } from "@std/assert";
import { createAuthenticator } from "../../shared/auth/create_authenticator.ts";
import { API_KEY } from "./auth_stand_in.ts";
import { assertRefused, claimsOf, failureOf, makeKey, sign, USER_ID, valueOf } from "./tokens.ts";

const URL_OF_PROJECT = "https://abcdefghijklmnopqrst.supabase.co";
const NOW = Date.UTC(2026, 10, 20);
const key = await makeKey("ES256", "current");
const token = await sign(key, claimsOf(URL_OF_PROJECT, NOW));
const { authenticate } = createAuthenticator({
  supabaseUrl: URL_OF_PROJECT,
  apiKey: API_KEY,
  jwks: { keys: [key.publicJwk] },
  now: () => NOW,
});

const requests: [source: string, request: Request][] = [
  ["Authorization", new Request("http://localhost/echo", { headers: { authorization: `Bearer ${token}` } })],
  [
    "subprotocol",
    new Request("http://localhost/echo", { headers: { "sec-websocket-protocol": `realtime, jwt-${token}` } }),
  ],
  ["?jwt=", new Request(`http://localhost/echo?jwt=${token}`)],
  ["?token=", new Request(`http://localhost/echo?room=a&token=${token}`)],
];

for (const [source, request] of requests) {
  Deno.test(`authenticate() takes the token from ${source}`, async () => {
    assertEquals(valueOf(await authenticate(request)).userId, USER_ID);
  });
}

Deno.test("authenticate() refuses a request without a token and says how to send one", async () => {
  const failure = failureOf(await authenticate(new Request("http://localhost/echo")));
  assertEquals(failure.code, "unauthorized");
  assert(failure.message.includes("?jwt="));
});

Deno.test("authenticate() does not fall back to another token when the first is refused", async () => {
  const headers = { authorization: "Bearer garbage" };
  const result = await authenticate(new Request(`http://localhost/echo?jwt=${token}`, { headers }));
  assertRefused(result, "unauthorized", token);
});
