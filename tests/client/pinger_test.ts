import { assertEquals } from "@std/assert";
import { createClock } from "@sinonjs/fake-timers";
import { Pinger } from "../../shared/client/pinger.ts";

function start(intervalMs = 1000, timeoutMs = 200) {
  const fake = createClock();
  const log: string[] = [];
  const pinger = new Pinger({
    clock: {
      now: () => fake.now,
      setTimeout: (action, delayMs) => fake.setTimeout(action, delayMs),
      clearTimeout: (timer) => fake.clearTimeout(timer as number),
    },
    intervalMs,
    timeoutMs,
    ping: () => log.push(`ping ${fake.now}`),
    dead: () => log.push(`dead ${fake.now}`),
  });
  return { fake, log, pinger };
}

Deno.test("Pinger asks after silence alone, and says once that nobody answers", () => {
  const { fake, log, pinger } = start();
  fake.tick(700);
  pinger.heard();
  fake.tick(900);
  assertEquals(log, []);
  fake.tick(100);
  assertEquals(log, ["ping 1700"]);
  fake.tick(100);
  pinger.heard();
  fake.tick(999);
  assertEquals(log, ["ping 1700"]);
  fake.tick(10_000);
  assertEquals(log, ["ping 1700", "ping 2800", "dead 3000"]);
});

Deno.test("Pinger asks when it is told to, also where it never asks by itself", () => {
  const { fake, log, pinger } = start(0);
  fake.tick(100_000);
  pinger.probe();
  pinger.probe();
  fake.tick(50);
  pinger.heard();
  fake.tick(100_000);
  pinger.probe();
  fake.tick(200);
  assertEquals(log, ["ping 100000", "ping 200050", "dead 200250"]);
});

Deno.test("Pinger asks again where it was asleep, and leaves no timer behind", () => {
  const { fake, log, pinger } = start();
  fake.tick(1000);
  fake.setSystemTime(60_000);
  fake.tick(200);
  assertEquals(log, ["ping 1000", "ping 60200"]);
  pinger.stop();
  assertEquals(fake.countTimers(), 0);
});
