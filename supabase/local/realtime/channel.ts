import { err, ok, type Result } from "../../../shared/protocol/result.ts";
import type { Permissions } from "./authorize.ts";
import { type Broadcast, payloadBytes } from "./broadcast.ts";
import type { EncodedBroadcast } from "./encode_broadcast.ts";
import { expiredMessage, type Identity } from "./identify.ts";
import type { JoinConfig } from "./join_config.ts";
import { isRecord } from "./is_record.ts";
import type { Message, OutgoingMessage, Version } from "./message.ts";
import type { PresenceDiff } from "./presence.ts";
import type { RealtimeContext } from "./realtime_context.ts";
import type { Member, TopicName } from "./topics.ts";

/** Expiry is looked at this often at least, so that a clock that was set is noticed. */
const MAX_TOKEN_CHECK_MS = 5 * 60_000;

/** Why a private channel ends when its reader may read it no longer. */
const REVOKED = "You no longer have permission to read from this Channel topic";

/** A hosted project says the like for a table that is in no publication. */
const NO_POSTGRES_CHANGES = "Unable to subscribe to changes: this local Realtime has no Postgres Changes";

const ALL: Permissions = { broadcast: true, presence: true };

/** A channel's connection, as far as a channel needs it. */
export interface ChannelConnection {
  readonly context: RealtimeContext;
  readonly version: Version;
  /** Of the request that opened it. */
  readonly headers: Readonly<Record<string, unknown>>;
  send(frame: string | Uint8Array): void;
  push(message: OutgoingMessage): void;
  /** Answers a message. */
  reply(message: Message, status: "ok" | "error", response: unknown): void;
  /** Takes a channel that ended off the list. */
  forget(channel: Channel): void;
}

/** One topic that one connection has joined, from the join to the leave, the end of the token or of the connection. */
export class Channel implements Member {
  /** As the client names it: `realtime:room`. */
  readonly topic: string;
  readonly joinRef: string | null;
  readonly #connection: ChannelConnection;
  readonly #context: RealtimeContext;
  readonly #config: JoinConfig;
  readonly #name: TopicName;
  #identity: Identity;
  #mayRead: Permissions;
  /** Asked for with the first message that is sent. */
  #mayWrite: Permissions | undefined;
  #tokenTimer: ReturnType<typeof setTimeout> | undefined;
  #presenceCalls = 0;
  #presenceWindowEnds = 0;
  #tracked = "";
  #isOver = false;

  /**
   * Joins, if the policies let `identity` read the topic.
   *
   * @returns the channel, or why the join is refused in the words of a hosted project
   */
  static async join(
    connection: ChannelConnection,
    { topic, joinRef }: Message,
    { config, identity }: { config: JoinConfig; identity: Identity },
  ): Promise<Result<Channel, string>> {
    const name: TopicName = { topic: topic.slice("realtime:".length), isPrivate: config.isPrivate };
    const mayRead = await readPermissions(connection, name, identity);
    if (!mayRead.broadcast && !mayRead.presence) return err(`Unauthorized: ${noPermission(name.topic)}`);
    return ok(new Channel(connection, { topic, joinRef, name, config, identity, mayRead }));
  }

  private constructor(
    connection: ChannelConnection,
    { topic, joinRef, name, config, identity, mayRead }: {
      topic: string;
      joinRef: string | null;
      name: TopicName;
      config: JoinConfig;
      identity: Identity;
      mayRead: Permissions;
    },
  ) {
    this.topic = topic;
    this.joinRef = joinRef;
    this.#connection = connection;
    this.#context = connection.context;
    this.#name = name;
    this.#config = config;
    this.#identity = identity;
    this.#mayRead = mayRead;
  }

  /** The tables that the client listens to, each with an id. */
  get postgresChanges(): unknown[] {
    return this.#config.postgresChanges.map((change, i) => ({ ...change, id: i + 1 }));
  }

  /** Begins to take part, once the join is answered. */
  start(): void {
    this.#context.topics.join(this.#name, this);
    this.#watchToken();
    if (this.#config.presenceEnabled && this.#mayRead.presence) {
      this.#push("presence_state", this.#context.topics.presenceOf(this.#name)!.state);
    }
    if (this.#config.postgresChanges.length > 0) this.#tell("postgres_changes", NO_POSTGRES_CHANGES);
  }

  /** Takes a message of the client's. One that is of no kind known here is passed over, as on a hosted project. */
  async handle(message: Message): Promise<void> {
    switch (message.event) {
      case "broadcast":
        return await this.#broadcast(message);
      case "presence":
        return await this.#presence(message);
      case "access_token":
        return await this.#refresh(message.payload.access_token);
      case "phx_leave":
        this.#connection.reply(message, "ok", {});
        return this.end("phx_close");
    }
  }

  deliver(broadcast: EncodedBroadcast): void {
    if (!this.#mayRead.broadcast) return;
    const frame = broadcast.frame(this.#connection.version);
    if (frame === undefined) return;
    const { rate, limits, faults } = this.#context;
    if (rate.average() > limits.messagesPerSecond) return this.#shutDown("Too many messages per second");
    rate.count(1);
    faults.deliver(this, () => this.#isOver || this.#connection.send(frame));
  }

  deliverPresence(diff: PresenceDiff): void {
    if (this.#mayRead.presence) this.#connection.push({ topic: this.topic, event: "presence_diff", payload: diff });
  }

  /**
   * Ends the channel and tells the client so: after `phx_close` supabase-js stays away, after `phx_error` it joins again.
   * May be called twice.
   */
  end(event: "phx_close" | "phx_error"): void {
    if (this.#isOver) return;
    this.release();
    this.#connection.forget(this);
    const { joinRef, topic } = this;
    this.#connection.push({ joinRef, ref: joinRef, topic, event, payload: {} });
  }

  /** Lets go of all it holds, without a word to the client: its connection is gone. */
  release(): void {
    this.#isOver = true;
    clearTimeout(this.#tokenTimer);
    this.#context.topics.leave(this.#name, this);
  }

  async #broadcast(message: Message): Promise<void> {
    if (this.#config.isPrivate && !(await this.#askToWrite()).broadcast) return; // Without an answer, as it is there.
    if (this.#isOver) return;
    const { topics, rate, limits } = this.#context;
    const broadcast: Broadcast = message.broadcast ?? { form: "object", payload: message.payload };
    rate.count(1);
    const fits = payloadBytes(broadcast) <= limits.payloadBytes;
    if (fits) topics.publish(this.#name, broadcast, this.#config.self ? undefined : this);
    if (!this.#config.ack) return;
    this.#connection.reply(message, fits ? "ok" : "error", fits ? {} : { reason: "payload_size_exceeded" });
  }

  async #presence(message: Message): Promise<void> {
    if (!this.#countPresenceCall()) return this.#shutDown("Client presence rate limit exceeded");
    const { event, payload = {} } = message.payload;
    switch (String(event).toLowerCase()) {
      case "track":
        return await this.#track(message, payload);
      case "untrack":
        this.#tracked = "";
        this.#context.topics.untrack(this.#name, this);
        return this.#connection.reply(message, "ok", {});
      default:
        return this.#connection.reply(message, "error", {});
    }
  }

  async #track(message: Message, payload: unknown): Promise<void> {
    if (!isRecord(payload)) {
      return this.#connection.reply(message, "error", { reason: "Presence track payload must be a map" });
    }
    if (this.#config.isPrivate && !(await this.#askToWrite()).presence) {
      return this.#connection.reply(message, "error", {});
    }
    const text = JSON.stringify(payload);
    if (text.length > this.#context.limits.payloadBytes) return this.#shutDown("Track message size exceeded");
    if (text !== this.#tracked && !this.#isOver) {
      this.#context.topics.track(this.#name, this, this.#config.presenceKey, payload);
      this.#tracked = text;
    }
    this.#connection.reply(message, "ok", {});
  }

  /** Takes a user's new token. API keys and what is no token are passed over; there is no answer. */
  async #refresh(token: unknown): Promise<void> {
    if (typeof token !== "string" || token.startsWith("sb_") || token === this.#identity.token) return;
    const identity = await this.#context.identify.byToken(token);
    if (!identity.ok) return this.#shutDown(identity.error.message);
    const mayRead = await readPermissions(this.#connection, this.#name, identity.value);
    if (this.#isOver) return;
    if (!mayRead.broadcast && !mayRead.presence) return this.#shutDown(noPermission(this.#name.topic));
    const isRevoked = (this.#mayRead.broadcast && !mayRead.broadcast) || (this.#mayRead.presence && !mayRead.presence);
    if (isRevoked) return this.#shutDown(`${REVOKED}: ${this.#name.topic}`);
    this.#identity = identity.value;
    this.#mayRead = mayRead;
    this.#mayWrite = undefined;
    this.#watchToken();
  }

  async #askToWrite(): Promise<Permissions> {
    if (this.#mayWrite) return this.#mayWrite;
    const { authorize, log } = this.#context;
    try {
      return this.#mayWrite = await authorize.write({
        identity: this.#identity,
        topic: this.#name.topic,
        headers: this.#connection.headers,
      });
    } catch (error) {
      log(`${this.topic}: a policy on realtime.messages failed: ${(error as Error).message}`);
      return { broadcast: false, presence: false }; // The next message asks again.
    }
  }

  #countPresenceCall(): boolean {
    const { presenceCalls, presenceWindowMs } = this.#context.limits;
    const now = performance.now();
    if (now > this.#presenceWindowEnds) {
      this.#presenceWindowEnds = now + presenceWindowMs;
      this.#presenceCalls = 0;
    }
    return ++this.#presenceCalls <= presenceCalls;
  }

  #watchToken(): void {
    clearTimeout(this.#tokenTimer);
    const { expiresAt } = this.#identity;
    if (expiresAt === Infinity) return;
    this.#tokenTimer = setTimeout(() => {
      if (Date.now() < expiresAt) return this.#watchToken();
      this.#shutDown(expiredMessage(expiresAt));
    }, Math.min(Math.max(0, expiresAt - Date.now()), MAX_TOKEN_CHECK_MS));
  }

  /** Ends the channel for a reason that the client is told first. */
  #shutDown(message: string): void {
    if (this.#isOver) return;
    this.#tell("system", message);
    this.end("phx_close");
  }

  /** Tells the client of an error, outside any answer. */
  #tell(extension: "system" | "postgres_changes", message: string): void {
    this.#push("system", { extension, status: "error", message, channel: this.#name.topic });
  }

  #push(event: string, payload: unknown): void {
    this.#connection.push({ joinRef: this.joinRef, topic: this.topic, event, payload });
  }
}

/** What the policies let `identity` read of a private topic; all of a public one. */
async function readPermissions(
  connection: ChannelConnection,
  name: TopicName,
  identity: Identity,
): Promise<Permissions> {
  if (!name.isPrivate) return ALL;
  const { authorize, log } = connection.context;
  try {
    return await authorize.read({ identity, topic: name.topic, headers: connection.headers });
  } catch (error) {
    log(`realtime:${name.topic}: a policy on realtime.messages failed: ${(error as Error).message}`);
    return { broadcast: false, presence: false };
  }
}

function noPermission(topic: string): string {
  return `You do not have permissions to read from this Channel topic: ${topic}`;
}
