import { assertEquals } from "@std/assert";
import { measureLatencies, quantilesOf } from "./latencies.ts";
import type { Member, Transition } from "./member.ts";

/** A member as far as its times go: what it sent (id: moment), what came to it (id: moment), when it moved. */
function memberOf(sent: Record<string, number>, came: Record<string, number>, transitions: Transition[] = []): Member {
  return {
    sent: new Map(Object.entries(sent).map(([id, at]) => [id, { at, isolate: "a" }])),
    deliveries: Object.entries(came).map(([clientId, at]) => ({ clientId, at, isolate: clientId[0]! })),
    transitions,
  } as unknown as Member;
}

Deno.test("quantilesOf() gives the times that shares of all reach, and zeros for none", () => {
  const times = Array.from({ length: 100 }, (_, i) => 100 - i);
  assertEquals(quantilesOf(times), { count: 100, p50: 51, p95: 96, p99: 100, max: 100 });
  assertEquals(quantilesOf([]), { count: 0, p50: 0, p95: 0, p99: 0, max: 0 });
});

Deno.test("measureLatencies() tells apart what was under way while somebody moved, and leaves out one's own", () => {
  const handOver: Transition = { kind: "hand-over", from: 10_000, to: 10_100 };
  const loss: Transition = { kind: "loss", from: 20_000, to: 21_000 };
  const sender = memberOf({ a1: 1_000, b1: 2_000, a2: 6_050, a3: 10_050, a4: 19_990 }, { a1: 1_001 }, [loss]);
  const receiver = memberOf({}, { a1: 1_010, b1: 2_020, a2: 6_080, a3: 10_090, a4: 21_500 }, [handOver]);
  const measured = measureLatencies([sender, receiver]);
  const longest = Object.fromEntries(Object.entries(measured).map(([name, { count, max }]) => [name, [count, max]]));
  assertEquals(longest, {
    sameIsolate: [2, 30],
    acrossIsolates: [1, 20],
    handOver: [1, 40],
    beforeHandOver: [1, 30],
    lateHandOver: [0, 0],
    loss: [1, 1_510],
  });
});
