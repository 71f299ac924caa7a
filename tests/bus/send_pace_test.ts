import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { SendPace } from "../../shared/bus/send_pace.ts";

Deno.test("SendPace lets five seconds' worth go at once, and then the rate", () => {
  let now = 0;
  const pace = new SendPace(40, () => now);
  for (let n = 0; n < 200; n++) assertEquals(pace.sent(1), 0);
  let sent = 0;
  const began = now;
  while (now < began + 60_000) {
    now += Math.max(10, pace.sent(4));
    sent += 4;
  }
  assertAlmostEquals(sent / 60, 40, 1);
  now += 5_000;
  assertEquals(pace.sent(200), 0, "all is given back");
});

Deno.test("SendPace makes nobody wait longer than half a second, however much is sent and wherever the clock goes", () => {
  let now = 1e12;
  const pace = new SendPace(40, () => now);
  assertEquals(pace.sent(100_000), 500);
  now -= 3_600_000;
  assertEquals(pace.sent(1), 500);
  now += 500;
  const waitMs = pace.sent(1);
  assert(waitMs > 0 && waitMs <= 30, `${waitMs} ms`);
});
