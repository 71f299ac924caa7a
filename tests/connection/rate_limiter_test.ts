import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { RateLimiter } from "../../shared/connection/rate_limiter.ts";

const LIMITS = { messagesPerSecond: 8, messageBurst: 20, bytesPerSecond: 1_000, byteBurst: 2_000 };

Deno.test("a burst passes at once, then the sustained rate, and a pause fills the buckets no higher than the burst", () => {
  let now = 0;
  const limiter = new RateLimiter(LIMITS, () => now);
  const taken = () => Array.from({ length: 100 }, () => limiter.take(1)).filter(Boolean).length;
  assertEquals(taken(), 20);
  now += 125;
  assertEquals(taken(), 1);
  now += 62.5;
  assertEquals([taken(), limiter.waitMs(1)], [0, 63]);
  now += 62.5;
  assertEquals(taken(), 1);
  now += 3_600_000;
  assertEquals(taken(), 20);
});

Deno.test("time in which a full bucket was idle counts for nothing: after it no more than a burst passes", () => {
  let now = 0;
  const limiter = new RateLimiter(LIMITS, () => now);
  now = 100_000;
  assertEquals(Array.from({ length: 100 }, () => limiter.take(1)).filter(Boolean).length, 20);
});

Deno.test("a message that the bytes do not allow takes nothing, and waitMs() says how long until it passes", () => {
  let now = 0;
  const limiter = new RateLimiter(LIMITS, () => now);
  assert(limiter.take(1_900));
  assertEquals([limiter.take(500), limiter.waitMs(500)], [false, 400]);
  assert(limiter.take(100), "a smaller one still passes");
  now += 499;
  assertEquals(limiter.take(500), false);
  now += 1;
  assert(limiter.take(500));
});

Deno.test("a clock that is set back freezes nothing", () => {
  let now = 1_000_000;
  const limiter = new RateLimiter(LIMITS, () => now);
  while (limiter.take(1));
  now = 0;
  assertEquals(limiter.take(1), false);
  now = 125;
  assert(limiter.take(1));
});

Deno.test("over any time no more passes than the burst and the rate allow", () => {
  fc.assert(fc.property(fc.array(fc.tuple(fc.nat(300), fc.nat(2_500)), { maxLength: 200 }), (steps) => {
    let [now, messages, bytes] = [0, 0, 0];
    const limiter = new RateLimiter(LIMITS, () => now);
    for (const [pause, size] of steps) {
      now += pause;
      if (!limiter.take(size)) continue;
      messages++;
      bytes += size;
      assert(messages <= 20 + now / 125 + 1e-6 && bytes <= 2_000 + now + 1e-6);
    }
  }));
});
