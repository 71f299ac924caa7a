import { counter, type MetricFamily } from "../telemetry/metrics.ts";

/** What the rooms of an isolate have done since its boot. */
export class RoomCounters {
  /** Events that were handed on to the members here, each counted once. */
  events = 0;
  /** Times that events were missing, and read from the store. */
  gapsFilled = 0;
  /** Events that came this way. */
  eventsFilled = 0;
  /** Connections that were told to read the history instead of a replay. */
  resyncs = 0;

  metrics(): MetricFamily[] {
    return [
      counter("edge_sockets_room_events", "Events of rooms that were handed on, each once.", this.events),
      counter("edge_sockets_gaps_filled", "Times that events had not come by the bus and were read.", this.gapsFilled),
      counter("edge_sockets_gap_events", "Events that were read as they had not come by the bus.", this.eventsFilled),
      counter("edge_sockets_resyncs", "Connections that were told to read the history.", this.resyncs),
    ];
  }
}
