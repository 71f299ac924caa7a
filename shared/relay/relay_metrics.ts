import { counter, gauge, Histogram, histogram, type Labels, type MetricFamily } from "../telemetry/metrics.ts";

/** What the pipes to one upstream have done since the isolate's boot. */
export class UpstreamCounters {
  /** Pipes that live. */
  open = 0;
  /** Pipes that were begun. */
  opened = 0;
  /** Frames of clients. */
  framesUp = 0;
  /** Frames of the upstream. */
  framesDown = 0;
  /** Payload; of text its characters, so that no frame is measured for it. */
  bytesUp = 0;
  /** As `bytesUp`, the other way. */
  bytesDown = 0;
  /** How long the upstream took to open, in seconds. */
  readonly dialLatency = new Histogram();
  /** Pipes that failed, by error code. */
  readonly failures = new Map<string, number>();

  /** Counts an end that was the upstream's fault or a queue's, by its error code. */
  failed(code: string): void {
    this.failures.set(code, (this.failures.get(code) ?? 0) + 1);
  }
}

/** What the pipes of an isolate have done, by upstream. */
export class RelayMetrics {
  readonly #upstreams = new Map<string, UpstreamCounters>();

  /** The counters of one upstream: pipes add to them. */
  of(upstream: string): UpstreamCounters {
    let counters = this.#upstreams.get(upstream);
    if (counters === undefined) this.#upstreams.set(upstream, counters = new UpstreamCounters());
    return counters;
  }

  /** For `/metrics`. */
  families(): MetricFamily[] {
    const all = [...this.#upstreams].map(([upstream, counters]) => [{ upstream }, counters] as const);
    const each = <Value>(of: (counters: UpstreamCounters) => Value): (readonly [Labels, Value])[] =>
      all.map(([labels, counters]) => [labels, of(counters)] as const);
    const bothWays = (up: (counters: UpstreamCounters) => number, down: (counters: UpstreamCounters) => number) =>
      all.flatMap(([labels, counters]) => [
        [{ ...labels, direction: "up" }, up(counters)] as const,
        [{ ...labels, direction: "down" }, down(counters)] as const,
      ]);
    const failures = all.flatMap(([labels, counters]) =>
      [...counters.failures].map(([code, count]) => [{ ...labels, code }, count] as const)
    );
    return [
      gauge("edge_sockets_relay_pipes", "Pipes that live, by upstream.", each(({ open }) => open)),
      counter("edge_sockets_relay_pipes_opened", "Pipes that were begun.", each(({ opened }) => opened)),
      counter(
        "edge_sockets_relay_frames",
        "Frames that were piped, up to the upstream or down to the client.",
        bothWays(({ framesUp }) => framesUp, ({ framesDown }) => framesDown),
      ),
      counter(
        "edge_sockets_relay_bytes",
        "Payload that was piped; of text its characters.",
        bothWays(({ bytesUp }) => bytesUp, ({ bytesDown }) => bytesDown),
      ),
      counter("edge_sockets_relay_failures", "Pipes that failed, by error code.", failures),
      histogram(
        "edge_sockets_relay_dial_seconds",
        "How long upstreams took to open.",
        each(({ dialLatency }) => dialLatency),
      ),
    ];
  }
}
