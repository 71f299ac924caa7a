import { assertEquals, assertMatch, assertNotEquals, assertRejects } from "@std/assert";
import { decodeJwt } from "jose";
import { createKeys, loadKeys } from "../../supabase/local/keys.ts";

Deno.test("createKeys() makes both styles of keys, new ones each time", async () => {
  const keys = await createKeys();
  assertMatch(keys.publishableKey, /^sb_publishable_[0-9a-f]{32}$/);
  assertMatch(keys.secretKey, /^sb_secret_[0-9a-f]{32}$/);
  assertEquals([decodeJwt(keys.anonKey).role, decodeJwt(keys.serviceRoleKey).role], ["anon", "service_role"]);
  assertEquals(keys.publicKey.kid, keys.signingKey.kid);
  assertEquals("d" in keys.publicKey, false);
  assertNotEquals((await createKeys()).jwtSecret, keys.jwtSecret);
});

Deno.test("loadKeys() keeps them in a file that only its owner can read", async () => {
  const folder = await Deno.makeTempDir();
  const file = new URL(`file://${folder}/new/keys.json`);
  const keys = await loadKeys(file);
  assertEquals(await loadKeys(file), keys);
  assertEquals((await Deno.stat(file)).mode! & 0o777, 0o600);
  await Deno.remove(folder, { recursive: true });
});

for (const text of ["", '{"jwtSecret": "s3cr', "null", "{}"]) {
  Deno.test(`loadKeys() names the file that holds ${JSON.stringify(text)}, and nothing of what it holds`, async () => {
    const path = await Deno.makeTempFile();
    await Deno.writeTextFile(path, text);
    const error = await assertRejects(
      () => loadKeys(new URL(`file://${path}`)),
      Error,
      `the keys in ${path}: `,
    ) as Error;
    assertEquals(error.message.includes("s3cr"), false);
    await Deno.remove(path);
  });
}
