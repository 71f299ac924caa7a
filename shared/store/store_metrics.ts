import { counter, gauge, Histogram, histogram, type MetricFamily } from "../telemetry/metrics.ts";

/** What the calls to a store have cost since the isolate's boot: filled by `measuredStore` and `groupCommit`. */
export class StoreMetrics {
  /** Writes that are under way, or wait for the call before theirs. */
  pendingWrites = 0;
  /** How long writes took from where they were asked for, in seconds. */
  readonly writeLatency = new Histogram();
  /** Writes that went in calls of `post`. */
  writes = 0;
  readonly #latencies = new Map<string, Histogram>();
  readonly #failures = new Map<string, number>();

  /** A call that took so long, whatever came of it. */
  called(operation: string, seconds: number): void {
    let latency = this.#latencies.get(operation);
    if (latency === undefined) this.#latencies.set(operation, latency = new Histogram());
    latency.observe(seconds);
  }

  failed(operation: string): void {
    this.#failures.set(operation, (this.#failures.get(operation) ?? 0) + 1);
  }

  families(): MetricFamily[] {
    const latencies = [...this.#latencies].map(([operation, latency]) => [{ operation }, latency] as const);
    const failures = [...this.#failures].map(([operation, count]) => [{ operation }, count] as const);
    return [
      histogram("edge_sockets_store_call_seconds", "How long calls to the database took, by operation.", latencies),
      counter("edge_sockets_store_failures", "Calls to the database that failed, by operation.", failures),
      counter("edge_sockets_store_writes", "Writes that went to the database, many in a call.", this.writes),
      histogram("edge_sockets_write_seconds", "How long writes took with their wait for others.", this.writeLatency),
      gauge(
        "edge_sockets_pending_writes",
        "Writes that are under way or wait for the call before theirs.",
        this.pendingWrites,
      ),
    ];
  }
}
