import { assert, assertEquals, assertRejects } from "@std/assert";
import { groupCommit } from "../../shared/store/group_commit.ts";
import { measuredStore } from "../../shared/store/measured_store.ts";
import { memoryStore } from "../../shared/store/memory_store.ts";
import { type Store, StoreUnavailable } from "../../shared/store/store.ts";
import { StoreMetrics } from "../../shared/store/store_metrics.ts";
import { writeOpenMetrics } from "../../shared/telemetry/write_open_metrics.ts";
import { parseOpenMetrics } from "../support/parse_open_metrics.ts";

const ANN = { id: "00000000-0000-4000-8000-000000000001" };

function valueOf(metrics: StoreMetrics, sample: string, labels: Record<string, string> = {}): number | undefined {
  const families = parseOpenMetrics(writeOpenMetrics(metrics.families()));
  return [...families.values()].flatMap(({ samples }) => samples)
    .find(({ name, labels: own }) => name === sample && JSON.stringify(own) === JSON.stringify(labels))?.value;
}

Deno.test("a measured store answers as the store does, and counts calls, writes and failures by operation", async () => {
  const metrics = new StoreMetrics();
  const store = memoryStore();
  const measured = groupCommit(measuredStore(store, metrics), { metrics });
  const joined = await measured.join(ANN, "lobby", { createRooms: true });
  assert(joined.ok);
  const write = (body: string) => ({ kind: "message", actor: ANN, room: "lobby", body }) as const;
  const under = Promise.all([measured.post([write("a"), write("b")]), measured.post([write("c")])]);
  assertEquals(valueOf(metrics, "edge_sockets_pending_writes"), 3);
  const [first] = await under;
  assertEquals(first.map(({ ok }) => ok), [true, true]);
  assertEquals(await measured.heads(["lobby"], [ANN.id]), await store.heads(["lobby"], [ANN.id]));
  assertEquals(await measured.eventsSince("lobby", 0, 9), await store.eventsSince("lobby", 0, 9));
  assertEquals(
    await measured.history(ANN.id, "lobby", undefined, 9),
    await store.history(ANN.id, "lobby", undefined, 9),
  );
  assertEquals(await measured.unread(ANN.id), await store.unread(ANN.id));
  const known = { heads: new Map(), digests: new Map([[ANN.id, undefined]]) };
  assertEquals(await measured.changes(known), await store.changes(known));
  assertEquals((await measured.openDirect(ANN, ANN.id)).ok, false);

  for (const operation of ["join", "post", "heads", "changes", "eventsSince", "history", "unread", "openDirect"]) {
    assertEquals(valueOf(metrics, "edge_sockets_store_call_seconds_count", { operation }), 1, operation);
  }
  assertEquals(valueOf(metrics, "edge_sockets_store_writes_total"), 3, "three writes in one call");
  assertEquals(valueOf(metrics, "edge_sockets_write_seconds_count"), 3);
  assertEquals(valueOf(metrics, "edge_sockets_pending_writes"), 0);
  assertEquals(valueOf(metrics, "edge_sockets_store_failures_total", { operation: "heads" }), undefined);

  const gone = () => Promise.reject(new StoreUnavailable("gone"));
  const failing = measuredStore({ ...store, heads: gone } as Store, metrics);
  await assertRejects(() => failing.heads([], []), StoreUnavailable, "gone");
  assertEquals(valueOf(metrics, "edge_sockets_store_failures_total", { operation: "heads" }), 1);
});
