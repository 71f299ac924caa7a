import { assertEquals } from "@std/assert";
import { SignJWT } from "jose";
import { ERROR_CODES, type ErrorCode } from "../../shared/protocol/codes.ts";
import { claimsOf, forge, makeKey, sign } from "../auth/tokens.ts";
import { startFunction } from "../deploy/start_function.ts";
import { startStandIn } from "../relay/stand_in_upstream.ts";
import { openSocket } from "../support/socket.ts";
import { assertHeld } from "../support/held_table.ts";

const ROOT = new URL("../../", import.meta.url);
/** Nobody listens there: what cannot be told without the Auth server is not let in. */
const PROJECT = "http://127.0.0.1:9";
const SECRET_KEY = "sb_secret_0123456789abcdefghij";
const MINUTE = 60;
const key = await makeKey("ES256", "ours");
const strange = await makeKey("ES256", "ours");
const now = Math.floor(Date.now() / 1000);

const signed = (changes: Record<string, unknown>, by = key, kid = by.kid) =>
  sign(by, claimsOf(PROJECT, Date.now(), changes), kid);
const claims = claimsOf(PROJECT, Date.now());
const publicKeyAsSecret = new TextEncoder().encode(JSON.stringify(key.publicJwk));
const legacyKey = (role: string) => forge({ alg: "HS256", typ: "JWT" }, { iss: "supabase", role, exp: now + 1e8 });

/** What a caller may come with instead of a token that is good. */
const TOKENS: Readonly<Record<string, string | Promise<string>>> = {
  "a good one": signed({}),
  "a good one, of another user": signed({ sub: "00000000-0000-4000-8000-000000000002" }),
  "none": "",
  "text": "let-me-in",
  "a publishable key": "sb_publishable_0123456789",
  "the secret key": SECRET_KEY,
  "the anon key": legacyKey("anon"),
  "the service role's key": legacyKey("service_role"),
  "signed by another key of the same name": signed({}, strange),
  "signed by a key that is not known": signed({}, strange, "theirs"),
  "a signature that is empty": forge({ alg: "ES256", kid: "ours" }, claims, ""),
  "algorithm `none`": forge({ alg: "none" }, claims, ""),
  "the public key as an HMAC secret": new SignJWT(claims).setProtectedHeader({ alg: "HS256", kid: "ours" })
    .sign(publicKeyAsSecret),
  "a key of its own in the header": new SignJWT(claims)
    .setProtectedHeader({ alg: "ES256", jwk: strange.publicJwk as never }).sign(strange.privateKey),
  "a header that points elsewhere": new SignJWT(claims)
    .setProtectedHeader({ alg: "ES256", kid: "../../theirs", jku: "http://127.0.0.1:9/keys.json" })
    .sign(strange.privateKey),
  "an unknown critical header": forge({ alg: "ES256", kid: "ours", crit: ["x"], x: 1 }, claims),
  "expired a second ago": signed({ exp: now - 1 }),
  "expired a day ago": signed({ exp: now - 1440 * MINUTE }),
  "valid for a century": signed({ exp: now + 3_153_600_000 }),
  "valid in ten minutes": signed({ nbf: now + 10 * MINUTE }),
  "valid in two seconds": signed({ nbf: now + 2 }),
  "issued in ten minutes": signed({ iat: now + 10 * MINUTE }),
  "without an expiry": signed({ exp: undefined }),
  "an expiry in milliseconds": signed({ exp: Date.now() + 3_600_000 }),
  "an expiry beyond all numbers": signed({ exp: 1e300 }),
  "an expiry that is negative": signed({ exp: -1 }),
  "of another issuer": signed({ iss: "https://other.supabase.co/auth/v1" }),
  "for another audience": signed({ aud: "other" }),
  "for no audience": signed({ aud: [] }),
  "role `anon`": signed({ role: "anon" }),
  "role `service_role`": signed({ role: "service_role" }),
  "role `postgres`": signed({ role: "postgres" }),
  "a role that is a list": signed({ role: ["authenticated"] }),
  "without a user": signed({ sub: undefined }),
  "a user that is empty": signed({ sub: "" }),
};

Deno.test("what a token must be to open each door is what docs/security.md says", async () => {
  await using upstream = startStandIn();
  const env = {
    SUPABASE_URL: PROJECT,
    SUPABASE_PUBLISHABLE_KEYS: JSON.stringify({ default: "sb_publishable_0123456789" }),
    SUPABASE_SECRET_KEYS: JSON.stringify({ default: SECRET_KEY }),
    SUPABASE_JWKS: JSON.stringify({ keys: [key.publicJwk] }),
    CHAT_STORE: "memory",
    CHAT_BUS: "memory",
    RELAY_UPSTREAMS: JSON.stringify({ up: { url: upstream.socketUrl } }),
  };
  const start = (name: string) => startFunction({ root: ROOT }, `functions/${name}/index.ts`, env, Deno.version.deno);
  await using echo = await start("echo");
  await using chat = await start("chat");
  await using relay = await start("relay");
  const doors: readonly ((token: string) => Promise<string>)[] = [
    (token) => knock(`ws://${echo.host}/echo?jwt=${token}`),
    (token) => knock(`ws://${chat.host}/chat?jwt=${token}`),
    (token) => knock(`ws://${relay.host}/relay/up?jwt=${token}`),
    async (token) => await refresh(`ws://${chat.host}/chat?jwt=${await TOKENS["a good one"]}`, token),
    (token) => post(`http://${chat.host}/chat/messages`, token),
  ];
  const rows: string[][] = [];
  const tokens: string[] = [SECRET_KEY];
  for (const [name, token] of Object.entries(TOKENS)) {
    rows.push([name, ...await Promise.all(doors.map(async (door) => await door(await token)))]);
    if ((await token).length > 12) tokens.push(await token);
  }
  await assertHeld("security.md", {
    name: "tokens",
    columns: ["token", "`echo`", "`chat`", "`relay`", "`refresh`", "`POST /chat/messages`"],
    rows,
  });

  // What they said of all this, in their logs and to whoever asks, holds none of it.
  const said = await Promise.all([[echo, "echo"], [chat, "chat"], [relay, "relay"]].map(async ([running, name]) => {
    const { host, printed } = running as typeof echo;
    const asked = await Promise.all(
      ["", "/health", "/metrics"].map(async (path) => await (await fetch(`http://${host}/${name}${path}`)).text()),
    );
    return [...printed, ...asked].join("\n");
  }));
  const parts = tokens.flatMap((token) => [token, ...token.split(".").filter((part) => part.length > 30)]);
  for (const text of said) assertEquals(parts.filter((part) => text.includes(part)), []);
});

/** `yes`, or the status of the error code that a socket is refused with; no frame of it may hold the token. */
async function knock(url: string): Promise<string> {
  const socket = await openSocket(url);
  socket.send(`{"type":"ping"}`);
  const first = await socket.next() as string;
  await socket.close();
  const token = new URL(url).searchParams.get("jwt") ?? "";
  for (const part of token.split(".")) assertEquals(part.length > 8 && first.includes(part), false);
  const frame = JSON.parse(first);
  return frame.type === "error" && frame.code !== "bad_frame"
    ? String(ERROR_CODES[frame.code as ErrorCode].status)
    : "yes";
}

/** Swaps the good token of a connection at `url`: `yes`, or the status of the error code; no frame may hold the token. */
async function refresh(url: string, token: string): Promise<string> {
  const socket = await openSocket(url);
  await socket.next();
  socket.sendJson({ type: "refresh", jwt: token, ref: "x" });
  const text = await socket.next() as string;
  await socket.close();
  for (const part of token.split(".")) assertEquals(part.length > 8 && text.includes(part), false);
  const frame = JSON.parse(text);
  return frame.type === "error" ? String(ERROR_CODES[frame.code as ErrorCode].status) : "yes";
}

async function post(url: string, token: string): Promise<string> {
  const body = JSON.stringify({ room: "nowhere", body: "x" });
  const response = await fetch(url, { method: "POST", body, headers: { Authorization: `Bearer ${token}` } });
  const { code } = await response.json();
  // It may, and there is no such room.
  return code === "room_not_found" ? "yes" : String(response.status);
}
