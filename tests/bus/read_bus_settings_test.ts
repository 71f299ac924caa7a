import { assert, assertEquals, assertThrows } from "@std/assert";
import { readBusSettings } from "../../shared/bus/read_bus_settings.ts";

const SECRET = "sb_secret_of_this_test";
const SUPABASE_URL = "https://ref.supabase.co";
const REDIS_URL = "redis://:hunter2@redis.example.com:6380/1";
const REALTIME = { backend: "realtime", url: SUPABASE_URL, secretKey: SECRET } as const;

Deno.test("readBusSettings() takes what is there, and what CHAT_BUS says before all", () => {
  const cases: [Record<string, string>, string | undefined, unknown][] = [
    [{}, undefined, { backend: "memory" }],
    [{ SUPABASE_URL }, undefined, { backend: "memory" }],
    [{}, SECRET, { backend: "memory" }],
    [{ SUPABASE_URL }, SECRET, REALTIME],
    [{ SUPABASE_URL, CHAT_BUS: "" }, SECRET, REALTIME],
    [{ SUPABASE_URL, REALTIME_MESSAGES_PER_SECOND: "500" }, SECRET, { ...REALTIME, messagesPerSecond: 500 }],
    [{ SUPABASE_URL, REALTIME_MESSAGES_PER_SECOND: "" }, SECRET, REALTIME],
    [{ REDIS_URL }, undefined, { backend: "redis", url: REDIS_URL }],
    [{ REDIS_URL: ` ${REDIS_URL}\n`, SUPABASE_URL }, SECRET, { backend: "redis", url: REDIS_URL }],
    [{ REDIS_URL: "rediss://redis.example.com" }, undefined, { backend: "redis", url: "rediss://redis.example.com" }],
    [{ REDIS_URL: "", SUPABASE_URL }, SECRET, REALTIME],
    [{ REDIS_URL, SUPABASE_URL, CHAT_BUS: "realtime" }, SECRET, REALTIME],
    [{ REDIS_URL, SUPABASE_URL, CHAT_BUS: "redis" }, SECRET, { backend: "redis", url: REDIS_URL }],
    [{ REDIS_URL, SUPABASE_URL, CHAT_BUS: "memory" }, SECRET, { backend: "memory" }],
    [{ SUPABASE_URL, CHAT_STORE: "memory" }, SECRET, { backend: "memory" }],
    [{ SUPABASE_URL, CHAT_STORE: "memory", CHAT_BUS: "realtime" }, SECRET, REALTIME],
  ];
  for (const [env, key, expected] of cases) assertEquals(readBusSettings(env, key), expected, JSON.stringify(env));
});

Deno.test("readBusSettings() refuses by name what it cannot use, and quotes no secret", () => {
  const cases: [Record<string, string>, string | undefined, string][] = [
    [{ CHAT_BUS: "kafka" }, SECRET, "CHAT_BUS"],
    [{ CHAT_BUS: "Redis", REDIS_URL }, SECRET, "CHAT_BUS"],
    [{ CHAT_BUS: "redis" }, SECRET, "REDIS_URL"],
    [{ CHAT_BUS: "realtime" }, SECRET, "SUPABASE_URL"],
    [{ CHAT_BUS: "realtime", SUPABASE_URL }, undefined, "SUPABASE_SECRET_KEYS"],
    [{ SUPABASE_URL, REALTIME_MESSAGES_PER_SECOND: "0" }, SECRET, "REALTIME_MESSAGES_PER_SECOND"],
    [{ SUPABASE_URL, REALTIME_MESSAGES_PER_SECOND: "many" }, SECRET, "REALTIME_MESSAGES_PER_SECOND"],
    [{ REDIS_URL: "http://:hunter2@redis.example.com" }, SECRET, "REDIS_URL"],
    [{ REDIS_URL: "redis://" }, SECRET, "REDIS_URL"],
    [{ REDIS_URL: "redis://:hunter2@:x" }, SECRET, "REDIS_URL"],
    [{ REDIS_URL: "hunter2" }, SECRET, "REDIS_URL"],
  ];
  for (const [env, key, name] of cases) {
    const { message } = assertThrows(() => readBusSettings(env, key), RangeError) as Error;
    assert(message.includes(name), message);
    assert(!message.includes("hunter2") && !message.includes(SECRET), message);
  }
});
