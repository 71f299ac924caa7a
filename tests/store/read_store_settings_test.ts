import { assert, assertEquals, assertThrows } from "@std/assert";
import { readStoreSettings } from "../../shared/store/read_store_settings.ts";

const SECRET = "sb_secret_of_this_test";
const SUPABASE_URL = "https://ref.supabase.co";
const SUPABASE = { backend: "supabase", url: SUPABASE_URL, secretKey: SECRET } as const;

Deno.test("readStoreSettings() takes the database, and memory only where CHAT_STORE says so", () => {
  const cases: [Record<string, string>, string | undefined, unknown][] = [
    [{ SUPABASE_URL }, SECRET, SUPABASE],
    [{ SUPABASE_URL, CHAT_STORE: "" }, SECRET, SUPABASE],
    [{ SUPABASE_URL, CHAT_STORE: "supabase" }, SECRET, SUPABASE],
    [{ SUPABASE_URL, CHAT_STORE: "memory" }, SECRET, { backend: "memory" }],
    [{ CHAT_STORE: "memory" }, undefined, { backend: "memory" }],
  ];
  for (const [env, key, expected] of cases) assertEquals(readStoreSettings(env, key), expected, JSON.stringify(env));
});

Deno.test("readStoreSettings() refuses by name what it cannot use: messages are not kept in memory unasked", () => {
  const cases: [Record<string, string>, string | undefined, string][] = [
    [{ CHAT_STORE: "postgres" }, SECRET, "CHAT_STORE"],
    [{}, undefined, "SUPABASE_URL"],
    [{}, SECRET, "SUPABASE_URL"],
    [{ SUPABASE_URL: "" }, SECRET, "SUPABASE_URL"],
    [{ SUPABASE_URL }, undefined, "SUPABASE_SECRET_KEYS"],
    [{ SUPABASE_URL }, "", "CHAT_STORE=memory"],
    [{ SUPABASE_URL, CHAT_STORE: "supabase" }, undefined, "SUPABASE_SECRET_KEYS"],
  ];
  for (const [env, key, name] of cases) {
    const { message } = assertThrows(() => readStoreSettings(env, key), RangeError, "Cannot start as") as Error;
    assert(message.includes(name) && !message.includes(SECRET), message);
  }
});
