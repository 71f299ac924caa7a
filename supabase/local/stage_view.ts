/** What the server tells the page of its stage. */
import type { EndReason, IsolateState } from "./isolate_state.ts";
import type { BroadcastFaults, FaultCounts } from "./realtime/faulty_delivery.ts";

/** An isolate, as the stage shows it. Times are in ms. */
export interface StagedIsolate {
  readonly id: string;
  readonly function: string;
  readonly state: IsolateState;
  readonly ageMs: number;
  /** From boot to kill. */
  readonly wallClockMs: number;
  /** CPU time so far; not known everywhere. */
  readonly cpuMs?: number;
  readonly connections: readonly StagedConnection[];
}

/** A connection: its number, what its client calls itself, and the bytes that came from the client and went to it. */
export interface StagedConnection {
  readonly id: number;
  readonly session?: string;
  readonly received: number;
  readonly sent: number;
}

/** The end of an isolate. */
export interface StagedEnd {
  readonly id: string;
  readonly function: string;
  readonly reason: EndReason;
  readonly ageMs: number;
}

/** Which share of the bus's messages goes wrong, from 0 to 1. */
export type StagedFaults = Required<Pick<BroadcastFaults, "drop" | "double" | "reorder">>;

/** What there is to see at one moment: the data of each event of `GET /stage/events`. */
export interface StageView {
  readonly isolates: readonly StagedIsolate[];
  /** Isolates that ended since the event before. */
  readonly ended: readonly StagedEnd[];
  readonly faults: StagedFaults;
  /** What they did since the server started. */
  readonly spoiled: FaultCounts;
}
