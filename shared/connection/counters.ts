import { CLOSE_CODES } from "../protocol/codes.ts";
import { counter, type MetricFamily } from "../telemetry/metrics.ts";

/** What an isolate's connections have done since its boot: shown by `/health` and `/metrics`. */
export class Counters {
  connections_opened = 0;
  messages_in = 0;
  messages_out = 0;
  bytes_in = 0;
  /** Connections that were told to go to another isolate. */
  handed_over = 0;
  readonly #refusals = new Map<string, number>();
  readonly #closes = new Map<number | "other", number>();

  /** Counts a refusal by its error code, of a request, a frame or a whole connection. */
  refused(code: string): void {
    this.#refusals.set(code, (this.#refusals.get(code) ?? 0) + 1);
  }

  /** Counts the end of a socket by the close code that it was given from here; 1006 without one. */
  closed(code: number): void {
    this.#countClose(code);
  }

  /** Counts the end of a socket by its client's close code; one that is none of ours is `other`, as there are thousands. */
  closedByClient(code: number): void {
    this.#countClose(Object.hasOwn(CLOSE_CODES, code) ? code : "other");
  }

  #countClose(code: number | "other"): void {
    this.#closes.set(code, (this.#closes.get(code) ?? 0) + 1);
  }

  metrics(): MetricFamily[] {
    const codes = [...this.#refusals].map(([code, count]) => [{ code }, count] as const);
    const closes = [...this.#closes].map(([code, count]) => [{ code: String(code) }, count] as const);
    return [
      counter("edge_sockets_connections_opened", "Sockets that were bound to a process.", this.connections_opened),
      counter("edge_sockets_messages_in", "Frames of clients that were handed on.", this.messages_in),
      counter("edge_sockets_messages_out", "Frames that were sent to clients.", this.messages_out),
      counter("edge_sockets_received_bytes", "Payload of the frames of clients that were handed on.", this.bytes_in),
      counter("edge_sockets_hand_overs", "Connections that were told to go to another isolate.", this.handed_over),
      counter("edge_sockets_refusals", "Requests, frames and connections that were refused, by error code.", codes),
      counter("edge_sockets_closes", "Sockets that ended, by close code; 1006 without one.", closes),
    ];
  }

  toJSON(): Record<string, unknown> {
    return {
      connections_opened: this.connections_opened,
      messages_in: this.messages_in,
      messages_out: this.messages_out,
      bytes_in: this.bytes_in,
      handed_over: this.handed_over,
      refused: Object.fromEntries(this.#refusals),
      closed: Object.fromEntries(this.#closes),
    };
  }
}
