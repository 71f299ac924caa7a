import { assertEquals } from "@std/assert";
import { type Clock, install } from "@sinonjs/fake-timers";
import { BufferBudget, type BufferHolder } from "../../shared/connection/buffer_budget.ts";
import { Timers } from "../../shared/connection/timers.ts";

const KIB = 1024;

/** A connection that holds so much, as a test changes it. */
interface Held extends BufferHolder {
  bufferedBytes: number;
}

/** Connections that hold so much, and the order in which they are dropped. */
function holding(maxBytes: number, ...kib: number[]) {
  const dropped: number[] = [];
  const holders = new Set<Held>(kib.map((size) => ({
    bufferedBytes: size * KIB,
    dropSlowReader() {
      dropped.push(size);
      holders.delete(this);
    },
  })));
  return { dropped, holders: [...holders], budget: new BufferBudget(maxBytes, () => holders, new Timers()) };
}

function stopTime(): Clock & Disposable {
  const clock = install({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  return Object.assign(clock, { [Symbol.dispose]: () => clock.uninstall() });
}

Deno.test("over the bound those who hold most are closed first, and no more than need be", () => {
  const { budget, dropped } = holding(800 * KIB, 100, 400, 90, 300, 200);
  assertEquals(budget.bytes, 1_090 * KIB);
  budget.sent(100 * KIB);
  assertEquals(dropped, [], "not looked at before an eighth was sent");
  budget.sent(1);
  assertEquals(dropped, [400]);
  budget.sent(101 * KIB);
  assertEquals(dropped, [400]);
});

Deno.test("within the bound nobody is closed, and never one who holds little", () => {
  for (const [maxKib, ...kib] of [[1_000, 600, 400], [10, 63, 1, 0]] as const) {
    const { budget, dropped } = holding(maxKib * KIB, ...kib);
    budget.sent(1e9);
    assertEquals(dropped, []);
  }
});

Deno.test("what a socket holds counts until its end, though it was closed, and costs nobody who reads", () => {
  using clock = stopTime();
  const { budget, dropped, holders: [reader] } = holding(800 * KIB, 300, 100);
  let freed = 0;
  const held = budget.closing(() => freed++);
  held(1_000 * KIB);
  held(900 * KIB);
  assertEquals([freed, budget.closingBytes, budget.isFull], [0, 900 * KIB, true]);
  for (let i = 0; i < 20; i++) {
    budget.sent(1e9);
    clock.tick(1_000);
    reader!.bufferedBytes -= KIB;
  }
  assertEquals(dropped, [100], "the other has read nothing for two seconds");
  held(0);
  assertEquals([freed, budget.closingBytes, budget.isFull, clock.countTimers()], [1, 0, false, 0]);
});

Deno.test("nobody is looked at for having stalled while all that is held is within the bound", () => {
  using clock = stopTime();
  const { budget, dropped } = holding(800 * KIB, 300, 100);
  budget.closing(() => {})(400 * KIB);
  clock.tick(60_000);
  assertEquals(dropped, []);
  budget.closing(() => {})(400 * KIB + 1);
  clock.tick(4_000);
  assertEquals(dropped, [300, 100]);
});

/** A queue that holds so much. */
function queueOf(kib: number, dropped: number[]): Held {
  return { bufferedBytes: kib * KIB, dropSlowReader: () => dropped.push(-kib) };
}

Deno.test("queues count with the connections while they are not empty, and the greatest of all goes first", () => {
  const { budget, dropped } = holding(800 * KIB, 300);
  const [small, large] = [queueOf(100, dropped), queueOf(700, dropped)];
  budget.filled(small);
  budget.filled(large);
  budget.filled(large);
  assertEquals([budget.bytes, budget.queuedBytes], [300 * KIB, 800 * KIB]);
  budget.sent(101 * KIB);
  assertEquals(dropped, [-700]);
  budget.emptied(large);
  budget.sent(101 * KIB);
  assertEquals([dropped, budget.queuedBytes], [[-700], 100 * KIB]);
  budget.emptied(small);
  budget.emptied(small);
  assertEquals(budget.queuedBytes, 0);
});

Deno.test("a queue that does not get shorter goes for what others left behind, one that does stays", () => {
  using clock = stopTime();
  const { budget, dropped } = holding(800 * KIB);
  budget.closing(() => {})(700 * KIB);
  const [stalled, read] = [queueOf(100, dropped), queueOf(150, dropped)];
  budget.filled(stalled);
  budget.filled(read);
  for (let i = 0; i < 3; i++) {
    clock.tick(2_000);
    read.bufferedBytes -= KIB;
  }
  assertEquals(dropped[0], -100);
  assertEquals(dropped.includes(-150), false);
});
