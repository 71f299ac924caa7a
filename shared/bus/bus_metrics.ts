import { counter, type MetricFamily } from "../telemetry/metrics.ts";
import type { Bus } from "./bus.ts";

/** What went through a bus, for `/metrics`. */
export function busMetrics({ counters }: Pick<Bus, "counters">): MetricFamily[] {
  return [
    counter("edge_sockets_bus_published", "Hints that were to be published.", counters.published),
    counter(
      "edge_sockets_bus_received",
      "Hints that came for a subscriber here, its own isolate's too.",
      counters.received,
    ),
    counter("edge_sockets_bus_dropped", "Hints that were given up: too old, too large or too many.", counters.dropped),
    counter("edge_sockets_bus_reconnects", "Times that the bus was back after a loss.", counters.reconnects),
  ];
}
