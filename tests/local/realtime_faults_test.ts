import { assert, assertEquals, assertNotEquals } from "@std/assert";
import FakeTimers from "@sinonjs/fake-timers";
import { type BroadcastFaults, FaultyDelivery } from "../../supabase/local/realtime/faulty_delivery.ts";
import { eventually } from "../support/eventually.ts";
import { seededRandom } from "../support/seeded_random.ts";
import { startTestLocal } from "../support/start_local.ts";
import { NO_FUNCTIONS, NO_MIGRATIONS } from "./fixtures/mod.ts";
import { realtimeClient } from "./realtime_client.ts";

const BROADCASTS = Array.from({ length: 1_000 }, (_, i) => i);

/** Sends 1,000 broadcasts, one each ms, to one client, and gives them as they arrived. */
function sendAll(faults: BroadcastFaults): number[] {
  const clock = FakeTimers.install({ toFake: ["setTimeout", "clearTimeout"] });
  try {
    const delivery = new FaultyDelivery();
    const client = {};
    const arrived: number[] = [];
    delivery.set(faults);
    for (const i of BROADCASTS) {
      delivery.deliver(client, () => arrived.push(i));
      clock.tick(1);
    }
    clock.tick(1_000);
    return arrived;
  } finally {
    clock.uninstall();
  }
}

function inOrder(numbers: readonly number[]): number[] {
  return numbers.toSorted((a, b) => a - b);
}

Deno.test("without faults broadcasts arrive as they were sent", () => {
  assertEquals(sendAll({}), BROADCASTS);
});

Deno.test("the same seed does the same, another one does not", () => {
  const faults = { drop: 0.25, double: 0.1, delay: 0.1, reorder: 0.1 };
  const arrived = sendAll({ ...faults, random: seededRandom(1) });
  assertEquals(sendAll({ ...faults, random: seededRandom(1) }), arrived);
  assertNotEquals(sendAll({ ...faults, random: seededRandom(2) }), arrived);
});

Deno.test("drop: about that share never arrives, the others once", () => {
  const arrived = sendAll({ drop: 0.25, random: seededRandom(3) });
  assert(arrived.length > 700 && arrived.length < 800, `${arrived.length} arrived`);
  assertEquals(arrived, [...new Set(inOrder(arrived))]);
});

Deno.test("double: about that share arrives twice", () => {
  const arrived = sendAll({ double: 0.1, random: seededRandom(4) });
  assert(arrived.length > 1_070 && arrived.length < 1_130, `${arrived.length} arrived`);
  assertEquals([...new Set(arrived)], BROADCASTS);
});

for (const kind of ["delay", "reorder"] as const) {
  Deno.test(`${kind}: all arrive, and some are overtaken`, () => {
    const arrived = sendAll({ [kind]: 0.2, random: seededRandom(5) });
    assertNotEquals(arrived, BROADCASTS);
    assertEquals(inOrder(arrived), BROADCASTS);
  });
}

Deno.test("one that waits to be overtaken goes when the faults end", () => {
  const delivery = new FaultyDelivery();
  const arrived: number[] = [];
  delivery.set({ reorder: 1 });
  delivery.deliver({}, () => arrived.push(1));
  assertEquals(arrived, []);
  delivery.set(undefined);
  assertEquals(arrived, [1]);
  delivery.close();
});

Deno.test({
  name: "faults meet what real clients get, until they end",
  sanitizeOps: false, // realtime-js keeps a timer for each message that has no answer.
  sanitizeResources: false,
  fn: async () => {
    await using local = await startTestLocal({ functionsDir: NO_FUNCTIONS, migrationsDir: NO_MIGRATIONS });
    await using a = realtimeClient(local);
    await using b = realtimeClient(local);
    const [from, to] = [await a.join("faulty"), await b.join("faulty")];
    const send = (event: string) => from.channel.send({ type: "broadcast", event, payload: {} });
    local.realtime.faults.broadcasts({ drop: 1 });
    await from.channel.httpSend("dropped", {});
    local.realtime.faults.broadcasts({ double: 1 });
    await send("twice");
    await to.broadcasts(2);
    local.realtime.faults.broadcasts({ reorder: 1, maxDelayMs: 5_000 });
    await send("second");
    await send("first");
    await to.broadcasts(4);
    local.realtime.faults.broadcasts();
    await send("last");
    await eventually("all is there", () => to.received.length === 5);
    assertEquals(to.received.map(({ event }) => event), ["twice", "twice", "first", "second", "last"]);
  },
});
