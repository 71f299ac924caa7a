import { assertEquals } from "@std/assert";
import { expiringCache } from "../../shared/auth/expiring_cache.ts";

Deno.test("expiringCache() drops what expired and, when full, what was not used for the longest time", () => {
  let now = 0;
  const cache = expiringCache<number>(2, () => now);
  cache.set("a", 1, 10);
  cache.set("b", 2, 20);
  assertEquals(cache.get("a"), 1);
  cache.set("c", 3, 20);
  assertEquals([cache.get("a"), cache.get("b"), cache.get("c"), cache.size], [1, undefined, 3, 2]);
  now = 10;
  assertEquals([cache.get("a"), cache.get("c"), cache.size], [undefined, 3, 1]);
  cache.set("c", 4, 30);
  assertEquals([cache.get("c"), cache.size], [4, 1]);
});

Deno.test("expiringCache() stays within its bound", () => {
  const cache = expiringCache<number>(100, () => 0);
  for (let i = 0; i < 10_000; i++) cache.set(String(i), i, 1);
  assertEquals(cache.size, 100);
});
