import { assert, assertEquals } from "@std/assert";
import FakeTimers from "@sinonjs/fake-timers";
import { HeadChecks, MOST_AT_ONCE } from "../../shared/room/head_checks.ts";

const TIMERS = ["setTimeout", "clearTimeout", "performance"] as const;
const INTERVAL_MS = 3_000;
const CALL_MS = 100;

Deno.test("all is checked once an interval, also after the bus was back, or a check asked for, during checks", async () => {
  await using t = start();
  t.lossy = true; // So that the pace stays the same.
  t.checks.start();
  const before = await t.checksIn(60_000);
  for (let n = 0; n < 5; n++) {
    await t.untilChecking();
    t.checks.afterLoss();
    t.checks.now();
    await t.clock.tickAsync(1_000);
  }
  const after = await t.checksIn(60_000);
  assert(before >= 60_000 / (1.25 * INTERVAL_MS + CALL_MS) - 1, `${before}`);
  assert(after <= 60_000 / (0.75 * INTERVAL_MS + CALL_MS) + 1, `${after}`);
  assertEquals(t.mostAtOnce, 1);
  t.isNeeded = false;
  await t.checksIn(10_000);
  assertEquals([await t.checksIn(60_000), t.clock.countTimers()], [0, 0]);
});

Deno.test("a bus that comes and goes without end does not put the check off, and what it brings meanwhile is checked after", async () => {
  await using t = start();
  t.checks.start();
  for (let n = 0; n < 50; n++) {
    t.checks.afterLoss();
    await t.clock.tickAsync(200);
  }
  // One in 250 to 500 ms and the call itself.
  assert(t.calls >= 10 && t.calls <= 40, `${t.calls}`);
  await t.untilChecking();
  const { calls } = t;
  t.checks.now();
  t.checks.now();
  await t.clock.tickAsync(CALL_MS);
  await t.clock.tickAsync(1);
  assertEquals(t.calls, calls + 1);
});

Deno.test("what is due sooner stays so", async () => {
  await using t = start();
  t.checks.start();
  t.checks.now();
  t.checks.afterLoss();
  await t.clock.tickAsync(1);
  assertEquals(t.calls, 1);
});

Deno.test("rooms whose channels stand one after another share calls, one at a time, of so many rooms", async () => {
  await using t = start();
  for (let n = 0; n < 100; n++) {
    t.checks.roomSoon(`room-${n}`);
    await t.clock.tickAsync(15);
  }
  await t.clock.tickAsync(1_000);
  assertEquals(new Set(t.roomCalls.flat()).size, 100);
  assert(t.roomCalls.length <= 15, `${t.roomCalls.length}`);
  t.roomCalls.length = 0;
  for (let n = 0; n < 2.5 * MOST_AT_ONCE; n++) t.checks.roomSoon(`${n}`);
  await t.clock.tickAsync(1_000);
  assertEquals([t.roomCalls.map((rooms) => rooms.length), t.mostAtOnce], [[1_000, 1_000, 500], 1]);
});

Deno.test("a check that fails is told of, and is not the last", async () => {
  await using t = start();
  t.checks.start();
  t.failing = true;
  t.checks.now();
  t.checks.roomSoon("r");
  await t.clock.tickAsync(1_000);
  assertEquals(t.errors.length, 2);
  assert(await t.checksIn(10_000) >= 2);
  t.checks.roomSoon("r");
  await t.clock.tickAsync(1_000);
  assertEquals(t.roomCalls.length, 2);
});

Deno.test("close() ends its timers, and a check that is under way is the last", async () => {
  await using t = start();
  t.checks.start();
  t.checks.roomSoon("r");
  await t.untilChecking();
  t.checks.roomSoon("r");
  t.checks.close();
  await t.clock.tickAsync(CALL_MS);
  assertEquals([await t.checksIn(60_000), t.clock.countTimers()], [0, 0]);
});

/** Checks whose calls take a moment, counted. Its clock stands still but for ticks. */
function start() {
  const clock = FakeTimers.install({ toFake: [...TIMERS] });
  let underWay = 0;
  let faults = 0;
  const t = {
    clock,
    checks: undefined as unknown as HeadChecks,
    calls: 0,
    roomCalls: [] as (readonly string[])[],
    errors: [] as unknown[],
    mostAtOnce: 0,
    isNeeded: true,
    failing: false,
    lossy: false,
    async checksIn(ms: number): Promise<number> {
      const before = t.calls;
      await clock.tickAsync(ms);
      return t.calls - before;
    },
    async untilChecking(): Promise<void> {
      const before = t.calls;
      while (t.calls === before) await clock.tickAsync(10);
    },
    [Symbol.asyncDispose]() {
      t.checks.close();
      clock.uninstall();
      return Promise.resolve();
    },
  };
  const call = async () => {
    underWay++;
    await new Promise((resolve) => setTimeout(resolve, CALL_MS));
    underWay--;
    if (t.failing) throw new Error("the database is gone");
  };
  t.checks = new HeadChecks({
    async checkAll() {
      t.calls++;
      t.mostAtOnce = Math.max(t.mostAtOnce, underWay + 1);
      await call();
      return true;
    },
    async checkRooms(rooms) {
      t.roomCalls.push(rooms);
      t.mostAtOnce = Math.max(t.mostAtOnce, underWay + 1);
      await call();
    },
    isNeeded: () => t.isNeeded,
    busFaults: () => t.lossy ? faults++ : 0,
    onError: (error) => t.errors.push(error),
    intervalMs: INTERVAL_MS,
  });
  return t;
}
