import { assertEquals } from "@std/assert";
import { createMessageRate } from "../../supabase/local/realtime/message_rate.ts";

Deno.test("createMessageRate() averages over complete ticks of 5 s, up to twelve", () => {
  let now = 0;
  const rate = createMessageRate(() => now);
  rate.count(1_000);
  assertEquals(rate.average(), 0);
  now = 5_000;
  assertEquals(rate.average(), 200);
  rate.count(500);
  now = 10_000;
  assertEquals(rate.average(), 150);
  now = 20_000;
  assertEquals(rate.average(), 75);
  now = 60_000;
  assertEquals(rate.average(), 25);
  now = 65_000;
  assertEquals(rate.average(), 500 / 12 / 5);
  now = 1_000_000;
  assertEquals(rate.average(), 0);
});
