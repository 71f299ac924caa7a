import { assertEquals, assertThrows } from "@std/assert";
import { type Clock, install } from "@sinonjs/fake-timers";
import { Timers } from "../../shared/connection/timers.ts";
import { seededRandom } from "../support/seeded_random.ts";

function stopTime(): Clock & Disposable {
  const clock = install({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  return Object.assign(clock, { [Symbol.dispose]: () => clock.uninstall() });
}

/** What became due, each with the moment at which it came. */
function recorder(clock: Clock) {
  const came: [name: string, at: number][] = [];
  return { came, note: (name: string) => came.push([name, clock.now]) };
}

Deno.test("timers come at their moment, those of one moment in the order in which they were set", () => {
  using clock = stopTime();
  const timers = new Timers();
  const { came, note } = recorder(clock);
  for (const [name, delayMs] of [["c", 30], ["a", 10], ["b", 20], ["b again", 20], ["now", 0], ["late", -5]] as const) {
    timers.after(delayMs, name, note);
  }
  assertEquals(came, [], "none before after() has returned");
  assertEquals(clock.countTimers(), 1, "all of them share one of the runtime's");
  clock.tick(100);
  assertEquals(came, [["now", 0], ["late", 0], ["a", 10], ["b", 20], ["b again", 20], ["c", 30]]);
  assertEquals([timers.count, clock.countTimers()], [0, 0]);
});

Deno.test("thousands of timers, many of which are cancelled, come as the runtime's own do", () => {
  using clock = stopTime();
  const random = seededRandom(7);
  const timers = new Timers();
  const ours = recorder(clock);
  const theirs = recorder(clock);
  const set: { cancel(): void }[] = [];
  for (let i = 0; i < 5_000; i++) {
    const delayMs = Math.floor(random() * 1_000);
    const timer = timers.after(delayMs, String(i), ours.note);
    const own = setTimeout(theirs.note, delayMs, String(i));
    set.push({ cancel: () => (timers.cancel(timer), clearTimeout(own)) });
    if (random() < 0.4) set[Math.floor(random() * set.length)]!.cancel();
    if (random() < 0.1) clock.tick(Math.floor(random() * 20));
  }
  clock.tick(2_000);
  const order = ([a, at]: [string, number], [b, other]: [string, number]) => at - other || Number(a) - Number(b);
  assertEquals(ours.came.sort(order), theirs.came.sort(order));
  assertEquals([timers.count, clock.countTimers()], [0, 0]);
});

Deno.test("timers on one beat come together, at the next multiple of its period", () => {
  using clock = stopTime();
  const timers = new Timers();
  const { came, note } = recorder(clock);
  for (const waitMs of [3, 40, 100, 57]) {
    clock.tick(waitMs);
    timers.onBeat(250, String(clock.now), note);
  }
  assertEquals(clock.countTimers(), 1);
  clock.tick(49);
  assertEquals(came, []);
  clock.tick(1);
  assertEquals(came, [["3", 250], ["43", 250], ["143", 250], ["200", 250]]);
  timers.onBeat(250, "a whole period later", note);
  clock.tick(250);
  assertEquals(came.at(-1), ["a whole period later", 500]);
});

Deno.test("a timer that is cancelled does not come, and the last one leaves nothing of the runtime's", () => {
  using clock = stopTime();
  const timers = new Timers();
  const { came, note } = recorder(clock);
  const [first, second] = [timers.after(10, "first", note), timers.after(20, "second", note)];
  timers.cancel(first);
  timers.cancel(first);
  timers.cancel(undefined);
  clock.tick(15);
  assertEquals([came, timers.count, clock.countTimers()], [[], 1, 1]);
  timers.cancel(second);
  assertEquals([timers.count, clock.countTimers()], [0, 0]);
  timers.after(10, "third", note);
  clock.tick(10);
  timers.cancel(second);
  assertEquals(came, [["third", 25]]);
});

Deno.test("an action may cancel and set timers; one that sets itself anew lets the others and the runtime in between", () => {
  using clock = stopTime();
  const timers = new Timers();
  const { came, note } = recorder(clock);
  const other = timers.after(10, "cancelled", note);
  timers.after(5, "x", () => timers.cancel(other));
  timers.after(5, "again", function again(name) {
    note(name);
    if (came.length < 3) timers.after(0, name, again);
  });
  timers.after(5, "beside", note);
  clock.tick(5);
  assertEquals(came.map(([name]) => name), ["again", "beside"]);
  clock.tick(5);
  assertEquals(came.map(([name]) => name), ["again", "beside", "again"]);
  assertEquals([timers.count, clock.countTimers()], [0, 0]);
});

Deno.test("a timer longer than the runtime's can be comes when it is due, not at once", () => {
  using clock = stopTime();
  const timers = new Timers();
  const { came, note } = recorder(clock);
  const dueAt = 3 * 2 ** 31;
  timers.after(dueAt, "far", note);
  timers.after(Infinity, "never", note);
  clock.tick(dueAt - 1);
  assertEquals(came, []);
  clock.tick(1);
  assertEquals(came, [["far", dueAt]]);
});

Deno.test("an action that throws takes no other timer with it", () => {
  using clock = stopTime();
  const timers = new Timers();
  const { came, note } = recorder(clock);
  timers.after(5, undefined, () => {
    throw new Error("fails");
  });
  timers.after(5, "beside", note);
  timers.after(9, "after", note);
  assertThrows(() => clock.tick(20), Error, "fails");
  clock.tick(20);
  assertEquals(came.map(([name]) => name), ["beside", "after"]);
});
