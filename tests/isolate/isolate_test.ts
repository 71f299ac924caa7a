// deno-lint-ignore-file no-console
import { assert, assertEquals, assertThrows } from "@std/assert";
import { type Clock, install } from "@sinonjs/fake-timers";
import { drainTimes } from "../../shared/isolate/drain_times.ts";
import { type Drain, Isolate, type IsolateOptions } from "../../shared/isolate/isolate.ts";

/** An isolate that was booted `bootedMs` before, on a clock that stands still. */
function bootIsolate(options: Partial<IsolateOptions> = {}, bootedMs = 0) {
  const clock: Clock = install({ toFake: ["setTimeout", "clearTimeout"] });
  const events = new EventTarget();
  const held: Promise<unknown>[] = [];
  const drains: Drain[] = [];
  const isolate = new Isolate({
    id: "one",
    ageMs: () => bootedMs + clock.now,
    events,
    waitUntil: (promise) => held.push(promise),
    ...options,
  });
  isolate.onDrain((drain) => drains.push(drain));
  const unload = (detail?: unknown) => events.dispatchEvent(new CustomEvent("beforeunload", { detail }));
  return {
    clock,
    isolate,
    events,
    held,
    drains,
    unload,
    [Symbol.dispose]: () => (isolate.dispose(), clock.uninstall()),
  };
}

Deno.test("an isolate serves until 80 % of its wall clock, counted from its boot, then drains", () => {
  for (
    const [options, bootedMs, drainsAtMs] of [[{}, 0, 120_000], [{}, 5_000, 115_000], [
      { wallClockMs: 400_000 },
      0,
      320_000,
    ], [
      { wallClockMs: 10_000, drainAt: 0.5 },
      0,
      5_000,
    ]] as const
  ) {
    using boot = bootIsolate(options, bootedMs);
    const { clock, isolate, drains } = boot;
    isolate.hold();
    assertEquals([isolate.state, isolate.ageMs, isolate.lifetimeMs], ["serving", bootedMs, drainsAtMs]);
    clock.tick(drainsAtMs - 1);
    assertEquals([isolate.state, isolate.lifetimeMs, drains], ["serving", 1, []]);
    clock.tick(1);
    assertEquals([isolate.state, isolate.lifetimeMs, drains.length], ["draining", 0, 1]);
    assertEquals(drains[0]?.reason, "wall_clock");
    isolate.release();
    assertEquals([isolate.state, clock.countTimers()], ["gone", 0]);
  }
});

Deno.test("an isolate drains at beforeunload, in the time that its reason leaves, and tells it once", () => {
  const left = { wall_clock: 60_000 / 9, cpu: 2_000, memory: 2_000, early_drop: 1_000, termination: 15_000 };
  for (const [reason, leftMs] of Object.entries(left)) {
    using boot = bootIsolate();
    const { clock, isolate, drains, unload } = boot;
    isolate.hold();
    clock.tick(60_000);
    unload({ reason });
    unload({ reason });
    unload({ reason: "other" });
    isolate.drain("test");
    clock.tick(100_000);
    assertEquals(drains, [{ reason, ...drainTimes(leftMs) }]);
    assertEquals(isolate.state, "draining");
  }
});

Deno.test("CPU that runs out while an isolate drains hurries it, what leaves more time does not", () => {
  using boot = bootIsolate();
  const { clock, isolate, drains, unload } = boot;
  clock.tick(120_000);
  assertEquals(drains, [{ reason: "wall_clock", ...drainTimes(30_000) }]);
  clock.tick(5_000);
  unload({ reason: "cpu" });
  assertEquals(drains.slice(1), [{ reason: "cpu", ...drainTimes(2_000) }]);
  clock.tick(1_000);
  unload({ reason: "termination" });
  assertEquals(drains.length, 2);
  const late: Drain[] = [];
  isolate.onDrain((drain) => late.push(drain));
  assertEquals(late, drains.slice(1));
});

Deno.test("a beforeunload that says nothing drains all the same", () => {
  for (const detail of [undefined, null, {}]) {
    using boot = bootIsolate();
    boot.unload(detail);
    assertEquals(boot.drains.map(({ reason }) => reason), ["unload"]);
  }
});

Deno.test("an isolate without connections is gone once it drains, and one whose last one leaves", () => {
  using boot = bootIsolate();
  const { isolate } = boot;
  isolate.hold();
  isolate.hold();
  isolate.release();
  isolate.drain("test");
  assertEquals(isolate.state, "draining");
  isolate.release();
  assertEquals(isolate.state, "gone");
});

Deno.test("hold() gives waitUntil one native promise, which settles with the last release, and then a fresh one", async () => {
  using boot = bootIsolate();
  const { isolate, held } = boot;
  isolate.hold();
  isolate.hold();
  assertEquals([held.length, held[0]?.constructor], [1, Promise]);
  const settled: number[] = [];
  held[0]!.then(() => settled.push(0));
  isolate.release();
  await Promise.resolve();
  assertEquals(settled, []);
  isolate.release();
  await Promise.resolve();
  assertEquals(settled, [0]);
  isolate.hold();
  assertEquals([held.length, new Set(held).size], [2, 2]);
  held[1]!.then(() => settled.push(1));
  await Promise.resolve();
  assertEquals(settled, [0]);
  isolate.release();
  await Promise.resolve();
  assertEquals(settled, [0, 1]);
});

Deno.test("whoever comes in the turn in which the last one leaves finds the isolate kept, and no moment without", async () => {
  let pending = 0;
  let fewest = Infinity;
  using boot = bootIsolate({
    waitUntil(promise) {
      pending++;
      promise.then(() => fewest = Math.min(fewest, --pending));
    },
  });
  boot.isolate.hold();
  boot.isolate.release();
  boot.isolate.hold();
  await new Promise((resolve) => queueMicrotask(() => queueMicrotask(() => resolve(undefined))));
  assertEquals([pending, fewest], [1, 1]);
  boot.isolate.release();
  await Promise.resolve();
  assertEquals([pending, fewest], [0, 0]);
});

Deno.test("waitUntil is the platform's where it has one", () => {
  const held: unknown[] = [];
  const platform = { waitUntil: (promise: unknown) => held.push(promise) };
  Object.defineProperty(globalThis, "EdgeRuntime", { value: platform, configurable: true });
  try {
    const isolate = new Isolate({ id: "one", events: new EventTarget() });
    isolate.hold();
    isolate.release();
    isolate.dispose();
  } finally {
    Reflect.deleteProperty(globalThis, "EdgeRuntime");
  }
  assert(held.length === 1 && held[0] instanceof Promise);
});

Deno.test("onDrain() calls at once where draining has begun, and no more after it was ended", () => {
  using boot = bootIsolate();
  const { isolate } = boot;
  const heard: string[] = [];
  isolate.onDrain(() => heard.push("ended"))();
  isolate.drain("test");
  isolate.onDrain(({ reason }) => heard.push(`late: ${reason}`));
  assertEquals(heard, ["late: test"]);
});

Deno.test("a listener that throws keeps neither the others from hearing nor the isolate from living", () => {
  using boot = bootIsolate();
  const { isolate, unload } = boot;
  const heard: string[] = [];
  isolate.onDrain(() => {
    throw new Error("boom");
  });
  isolate.onDrain(() => heard.push("second"));
  const { error } = console;
  const lines: unknown[] = [];
  console.error = (...line: unknown[]) => lines.push(line);
  try {
    unload({ reason: "cpu" });
  } finally {
    console.error = error;
  }
  assertEquals([heard, lines.length, isolate.state], [["second"], 1, "gone"]);
});

Deno.test("dispose() releases timer and listeners, and may be called twice", () => {
  using boot = bootIsolate();
  const { clock, isolate, drains, unload } = boot;
  isolate.dispose();
  isolate.dispose();
  unload({ reason: "cpu" });
  assertEquals([clock.countTimers(), drains, isolate.state], [0, [], "serving"]);
});

Deno.test("a wall clock beyond what a timer holds does not drain at once", () => {
  using boot = bootIsolate({ wallClockMs: 2 ** 40 });
  boot.clock.tick(1_000);
  assertEquals(boot.isolate.state, "serving");
});

Deno.test("an isolate's timer alone keeps no process alive", async () => {
  const module = new URL("../../shared/isolate/isolate.ts", import.meta.url).href;
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-config", "--no-lock", `import { Isolate } from "${module}"; new Isolate({ id: "one" });`],
    signal: AbortSignal.timeout(10_000),
  }).output();
  assert(success);
});

Deno.test("bad options are refused by name", () => {
  const bad: [Partial<IsolateOptions>, string][] = [
    [{ wallClockMs: 0 }, "'wallClockMs'"],
    [{ wallClockMs: NaN }, "'wallClockMs'"],
    [{ wallClockMs: Infinity }, "'wallClockMs'"],
    [{ drainAt: 0 }, "'drainAt'"],
    [{ drainAt: 1 }, "'drainAt'"],
    [{ drainAt: NaN }, "'drainAt'"],
  ];
  for (const [options, name] of bad) {
    assertThrows(() => new Isolate({ id: "one", events: new EventTarget(), ...options }), RangeError, name);
  }
});
