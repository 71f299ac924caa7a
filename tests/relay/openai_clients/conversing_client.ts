import type { RealtimeClientEvent, RealtimeServerEvent } from "openai/resources/realtime/realtime";
import type { Place } from "./client_driver.ts";

/** A client that comes back to its conversation, for `converse`. */
export interface ConversingClient {
  send(event: RealtimeClientEvent): void;
  /** Ends it with 1000. */
  close(): void;
}

/** What it tells. */
export interface ConversingListener {
  event(event: RealtimeServerEvent): void;
  /** What it reports itself, and no event of the server. */
  error(message: string): void;
  /** A connection is lost, with this code where it has one; it may be told again until there is another. */
  lost(code: number): void;
  /** It will not come back. */
  closed(code: number, reason: string): void;
}

export type OpenClient = (place: Place, listener: ConversingListener) => ConversingClient;
