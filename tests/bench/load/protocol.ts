/** What the bench asks of its load client, and what it answers: one JSON object a line over stdin and stdout. */

/** How a system wants a message, and to whom it brings it. */
export interface Dialect {
  /** `chat`: the frames of docs/protocol.md; `plain`: the text itself. */
  readonly frames: "chat" | "plain";
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

export type LoadClientCommand = JoinCommand | LoadCommand | LeaveCommand | ConnectCommand;

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
