import { assert, assertEquals, assertThrows } from "@std/assert";
import { readAuthSettings } from "../../shared/auth/read_auth_settings.ts";

const env = { SUPABASE_URL: "http://kong:8000/", SUPABASE_ANON_KEY: "anon-key" };

Deno.test("readAuthSettings() needs the URL and a key, and leaves the rest to the defaults", () => {
  assertEquals(readAuthSettings(env), {
    supabaseUrl: "http://kong:8000",
    apiKey: "anon-key",
    jwks: undefined,
    issuer: ["http://kong:8000/auth/v1"],
    audience: undefined,
    allowedRoles: undefined,
    algorithms: undefined,
  });
});

Deno.test("readAuthSettings() reads what the platform and the deployer set", () => {
  const key = { kty: "EC", kid: "a" };
  assertEquals(
    readAuthSettings({
      ...env,
      SUPABASE_PUBLISHABLE_KEYS: '{"web":"sb_publishable_web","default":"sb_publishable_default"}',
      SUPABASE_JWKS: JSON.stringify({ keys: [key] }),
      SUPABASE_PUBLIC_URL: "https://api.example.com",
      JWT_AUDIENCE: "sockets",
      JWT_ROLES: "authenticated, moderator",
      JWT_ALGORITHMS: "ES256, EdDSA",
    }),
    {
      supabaseUrl: "http://kong:8000",
      apiKey: "sb_publishable_default",
      jwks: { keys: [key] },
      issuer: ["https://api.example.com/auth/v1", "http://kong:8000/auth/v1"],
      audience: "sockets",
      allowedRoles: ["authenticated", "moderator"],
      algorithms: ["ES256", "EdDSA"],
    },
  );
  assertEquals(readAuthSettings({ ...env, JWT_ISSUER: "https://a, https://b" }).issuer, ["https://a", "https://b"]);
  assertEquals(readAuthSettings({ ...env, SUPABASE_PUBLISHABLE_KEYS: '{"web":"w"}' }).apiKey, "w");
  assertEquals(readAuthSettings({ ...env, SUPABASE_PUBLISHABLE_KEYS: "{}" }).apiKey, "anon-key");
  assertEquals(readAuthSettings({ ...env, SUPABASE_JWKS: JSON.stringify([key]) }).jwks, { keys: [key] });
});

const badTable: [name: string, changes: Record<string, string | undefined>][] = [
  ["SUPABASE_URL", { SUPABASE_URL: undefined }],
  ["SUPABASE_URL", { SUPABASE_URL: "  " }],
  ["SUPABASE_URL", { SUPABASE_URL: "kong:8000" }],
  ["SUPABASE_URL", { SUPABASE_URL: "ftp://SECRET" }],
  ["SUPABASE_URL", { SUPABASE_URL: "https://user:SECRET@example.com" }],
  ["SUPABASE_PUBLIC_URL", { SUPABASE_PUBLIC_URL: "example.com" }],
  ["SUPABASE_ANON_KEY", { SUPABASE_ANON_KEY: undefined }],
  ["SUPABASE_PUBLISHABLE_KEYS", { SUPABASE_PUBLISHABLE_KEYS: "sb_publishable_SECRET" }],
  ["SUPABASE_PUBLISHABLE_KEYS", { SUPABASE_PUBLISHABLE_KEYS: '{"default":7,"x":"SECRET"}' }],
  ["SUPABASE_PUBLISHABLE_KEYS", { SUPABASE_PUBLISHABLE_KEYS: '"SECRET"' }],
  ["SUPABASE_JWKS", { SUPABASE_JWKS: "{SECRET" }],
  ["SUPABASE_JWKS", { SUPABASE_JWKS: '{"k":"SECRET"}' }],
  ["SUPABASE_JWKS", { SUPABASE_JWKS: '{"keys":["SECRET"]}' }],
  ["SUPABASE_JWKS", { SUPABASE_JWKS: "null" }],
  ["JWT_ISSUER", { JWT_ISSUER: "," }],
  ["JWT_ROLES", { JWT_ROLES: " , " }],
  ["JWT_ALGORITHMS", { JWT_ALGORITHMS: "none" }],
  ["JWT_ALGORITHMS", { JWT_ALGORITHMS: "ES256,SECRET" }],
  ["JWT_ALGORITHMS", { JWT_ALGORITHMS: "," }],
];

for (const [name, changes] of badTable) {
  Deno.test(`readAuthSettings() names ${name} for ${JSON.stringify(changes)}`, () => {
    const error = assertThrows(() => readAuthSettings({ ...env, ...changes }), RangeError, name);
    assert(!error.message.includes("SECRET"), error.message);
  });
}
