/** What the bench asks of its load client, and what it answers: one JSON object a line over stdin and stdout. */

/** How a system wants a message, and to whom it brings it. */
export interface Dialect {
  /** `chat`: the frames of docs/protocol.md; `plain`: the text itself; `socket.io`: its events, of the name `m`. */
  readonly frames: "chat" | "plain" | "socket.io";
  /** Whether a message comes back to the connection that sent it. */
  readonly echoesSender: boolean;
}

/** Opens a room of connections, the first `senders` of which send. Answered `{}` once a probe has reached every one. */
export interface JoinCommand {
  readonly do: "join";
  readonly room: string;
  readonly urls: readonly string[];
  readonly senders: number;
  readonly dialect: Dialect;
}

/** Sends messages of `messageBytes` for a while, then waits until each has been delivered to everyone. Answered by a `LoadResult`. */
export interface LoadCommand {
  readonly do: "load";
  readonly room: string;
  readonly durationMs: number;
  readonly messageBytes: number;
  /** Messages a second, evenly, from all senders together; saturated where left out. */
  readonly perSecond?: number;
  /** Saturated: how many messages of each sender are under way. */
  readonly inFlight: number;
}

/** Closes the connections of a room. Answered `{}`. */
export interface LeaveCommand {
  readonly do: "leave";
  readonly room: string;
}

/** Opens each URL up to its first frame (or its handshake alone), then closes it, `parallel` at a time. Answered `{}`. */
export interface ConnectCommand {
  readonly do: "connect";
  readonly urls: readonly string[];
  readonly firstFrame: boolean;
  readonly parallel: number;
}

/** Opens connections for round trips. Answered `{}` once each has had one. */
export interface OpenTripsCommand {
  readonly do: "openTrips";
  readonly name: string;
  readonly urls: readonly string[];
  readonly trip: Trip;
}

/** What goes there and comes back: one frame, then one frame. */
export interface Trip {
  /** Sent as it is; for a binary frame the number of its bytes. */
  readonly request: string | number;
  /** The payload bytes of the answer; frames of another length do not count. */
  readonly answerBytes: number;
}

/** Makes round trips on connections that `openTrips` has opened, one after the other on each. Answered by a `TripsResult`. */
export interface TripsCommand {
  readonly do: "trips";
  readonly name: string;
  readonly durationMs: number;
  /** Trips a second of all connections together, evenly; as fast as they can where left out. */
  readonly perSecond?: number;
}

export type LoadClientCommand =
  | JoinCommand
  | LoadCommand
  | LeaveCommand
  | ConnectCommand
  | OpenTripsCommand
  | TripsCommand;

/** What round trips came to. */
export interface TripsResult {
  readonly trips: number;
  readonly seconds: number;
  /** From before the send to the answer, in microseconds. */
  readonly p50Us: number;
  readonly p99Us: number;
}

/** What one load came to. Each delivery in it arrived, in its sender's order and once; where one did not, there is an error instead. */
export interface LoadResult {
  readonly messages: number;
  /** Messages times those who received them, the senders' own copies included. */
  readonly deliveries: number;
  /** The same without the senders' own copies. */
  readonly deliveriesToOthers: number;
  /** Data frames that came, of whatever kind, and their payload bytes. */
  readonly frames: number;
  readonly bytes: number;
  readonly seconds: number;
  /** From before the send to the delivery, of a sample, in milliseconds. */
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
}

/** Every answer: the result, or why there is none. */
export type LoadClientAnswer = { readonly ok: true; readonly result: unknown } | {
  readonly ok: false;
  readonly error: string;
};
