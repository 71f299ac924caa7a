import type { Store } from "./store.ts";
import type { StoreMetrics } from "./store_metrics.ts";

/**
 * The same store, whose writes are timed in `metrics` from where they are asked for: around `groupCommit`, with the time
 * that they wait for the call before theirs.
 */
export function measuredWrites(store: Store, metrics: StoreMetrics): Store {
  return {
    ...store,
    async post(writes) {
      const startedAt = performance.now();
      metrics.pendingWrites += writes.length;
      try {
        return await store.post(writes);
      } finally {
        metrics.pendingWrites -= writes.length;
        metrics.writeLatency.observe((performance.now() - startedAt) / 1_000);
      }
    },
  };
}
