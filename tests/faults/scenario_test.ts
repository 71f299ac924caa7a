import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { planFaults, planTraffic, roomsOf, type Scenario } from "./scenario.ts";

const scenario: Scenario = {
  seed: 7,
  bus: "memory",
  isolates: 3,
  wallClockMs: 10_000,
  clients: 6,
  rooms: 4,
  roomsPerClient: 2,
  messages: 100,
  durationMs: 10_000,
  every: { kill: 2_000, cut: 500 },
};

Deno.test("the same seed plans the same traffic and the same faults, another seed others", () => {
  for (const plan of [planTraffic, planFaults]) {
    assertEquals<unknown>(plan(scenario), plan({ ...scenario }));
    assertNotEquals<unknown>(plan(scenario), plan({ ...scenario, seed: 8 }));
  }
});

Deno.test("what is planned comes in order, within its time, and is told apart", () => {
  const traffic = planTraffic(scenario);
  const faults = planFaults(scenario);
  for (const plan of [traffic, faults]) {
    const times = plan.map(({ atMs }) => atMs);
    assertEquals(times, [...times].sort((a, b) => a - b));
    assert(times.every((atMs) => atMs >= 0 && atMs < scenario.durationMs));
  }
  assertEquals(new Set(traffic.map(({ clientId }) => clientId)).size, scenario.messages);
  assert(traffic.every(({ client, room }) => roomsOf(scenario, client).includes(room)));
  assertEquals(Map.groupBy(faults, ({ kind }) => kind).get("kill")?.length, 5);
});
