/** What one client may do. Over a limit the server does what a hosted project does: see each. */
export interface RealtimeLimits {
  /** Channels that one connection has joined at a time; a further join is refused. */
  channelsPerConnection: number;
  /**
   * Messages a second, over all connections, as an average over up to a minute that is looked at every 5 s. A broadcast
   * counts once when it is sent and once for each client it goes to. Over it a channel that is due a message ends with
   * `system` and `phx_close`, and the REST API answers 429.
   */
  messagesPerSecond: number;
  /** Bytes of one broadcast or presence. A larger broadcast is dropped (an error, where an ack was asked for), a presence ends its channel. */
  payloadBytes: number;
  /** Presence calls of one channel within `presenceWindowMs`; one more ends the channel. */
  presenceCalls: number;
  presenceWindowMs: number;
  /** Bytes of one frame; a larger one closes the connection with 1009. */
  frameBytes: number;
  /** Bytes that wait for a client that does not read. One more frame ends the connection. */
  bufferedBytes: number;
  /** A connection that says nothing for so long, no heartbeat either, ends. */
  idleTimeoutMs: number;
}

/** The limits of a project on the free plan. */
export const FREE_PLAN_LIMITS: Readonly<RealtimeLimits> = {
  channelsPerConnection: 100,
  messagesPerSecond: 100,
  payloadBytes: 256_000,
  presenceCalls: 5,
  presenceWindowMs: 30_000,
  frameBytes: 5_000_000,
  bufferedBytes: 10_000_000,
  idleTimeoutMs: 60_000,
};
