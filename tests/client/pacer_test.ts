import { assert, assertEquals } from "@std/assert";
import { Pacer } from "../../shared/client/pacer.ts";

Deno.test("Pacer lets half a second's worth go at once, then keeps below the rate", () => {
  const pacer = new Pacer({ messages_per_second: 10, bytes_per_second: 1000 }, 0);
  const atOnce = Array.from({ length: 6 }, () => pacer.take(1, 0));
  assertEquals(atOnce.slice(0, 5), Array(5).fill(0));
  const waitMs = atOnce[5]!;
  assert(waitMs > 100 && waitMs < 115, `waits ${waitMs} ms`);
  assertEquals(pacer.take(1, waitMs), 0);
  assert(pacer.take(1, waitMs) > 0);
});

Deno.test("Pacer counts bytes, and lets a frame of more than that go all the same", () => {
  const pacer = new Pacer({ messages_per_second: 1000, bytes_per_second: 1000 }, 0);
  assertEquals(pacer.take(300, 0), 0);
  assert(pacer.take(300, 0) > 0);
  assertEquals(pacer.take(5000, 2000), 0);
});

Deno.test("Pacer never lets more through than a server takes, also where the first frames are 400 ms late", () => {
  const limits = { messages_per_second: 50, bytes_per_second: 1e9 };
  const pacer = new Pacer(limits, 0);
  let serverBudget = limits.messages_per_second;
  for (let now = 0; now < 20_000; now += 5) {
    if (now > 400) serverBudget = Math.min(50, serverBudget + limits.messages_per_second * 0.005);
    while (pacer.take(10, now) === 0) serverBudget--;
    assert(serverBudget >= 0, `at ${now} ms`);
  }
});
