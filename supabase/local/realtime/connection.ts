import type { Buffer } from "node:buffer";
// @ts-types="./ws.d.ts"
import type { WebSocket } from "ws";
import { err, ok, type Result } from "../../../shared/protocol/result.ts";
import { Channel, type ChannelConnection } from "./channel.ts";
import { decodeMessage } from "./decode_message.ts";
import { encodeMessage } from "./encode_message.ts";
import type { Identity } from "./identify.ts";
import { readJoinConfig } from "./join_config.ts";
import type { Message, OutgoingMessage, Version } from "./message.ts";
import type { RealtimeContext } from "./realtime_context.ts";

/** Frames of a client that wait for those before them; beyond it the socket is not read. */
const MAX_WAITING_FRAMES = 64;

/** A frame as it came. */
interface Frame {
  data: Uint8Array;
  isBinary: boolean;
}

/** One client's socket and the channels it has joined. Frames are handled one after the other, in their order. */
export class Connection implements ChannelConnection {
  readonly version: Version;
  readonly context: RealtimeContext;
  readonly headers: Readonly<Record<string, unknown>>;
  /** Of the API key: joins without a user's token have it too. */
  readonly #identity: Identity;
  readonly #socket: WebSocket;
  readonly #channels = new Map<string, Channel>();
  readonly #waiting: Frame[] = [];
  #isHandling = false;
  #lastFrameAt = performance.now();

  constructor(
    socket: WebSocket,
    { context, version, identity, headers }: {
      context: RealtimeContext;
      version: Version;
      identity: Identity;
      headers: Readonly<Record<string, unknown>>;
    },
  ) {
    this.#socket = socket;
    this.context = context;
    this.version = version;
    this.#identity = identity;
    this.headers = headers;
    socket.on("message", (data: Buffer, isBinary) => this.#receive({ data, isBinary }));
    socket.on("error", () => {}); // "close" follows, and is what counts.
    socket.on("close", () => this.#release());
  }

  /** The channels that are joined. */
  get channels(): readonly Channel[] {
    return [...this.#channels.values()];
  }

  /** How long the client has said nothing. */
  get idleMs(): number {
    return performance.now() - this.#lastFrameAt;
  }

  /** Sends a frame, or ends the connection of a client that does not read. */
  send(frame: string | Uint8Array): void {
    if (this.#socket.readyState !== this.#socket.OPEN) return;
    if (this.#socket.bufferedAmount > this.context.limits.bufferedBytes) return this.cut();
    this.#socket.send(frame);
  }

  push(message: OutgoingMessage): void {
    this.send(encodeMessage(message, this.version));
  }

  reply({ joinRef, ref, topic }: Message, status: "ok" | "error", response: unknown): void {
    this.push({ joinRef, ref, topic, event: "phx_reply", payload: { status, response } });
  }

  forget(channel: Channel): void {
    if (this.#channels.get(channel.topic) === channel) this.#channels.delete(channel.topic);
  }

  /** Ends the connection without a close frame. */
  cut(): void {
    this.#socket.terminate();
    this.#release();
  }

  #receive(frame: Frame): void {
    this.#lastFrameAt = performance.now();
    this.#waiting.push(frame);
    if (this.#waiting.length > MAX_WAITING_FRAMES) this.#socket.pause();
    void this.#handleWaiting();
  }

  async #handleWaiting(): Promise<void> {
    if (this.#isHandling) return;
    this.#isHandling = true;
    try {
      for (let frame = this.#waiting.shift(); frame && this.#isOpen; frame = this.#waiting.shift()) {
        await this.#handleFrame(frame);
        if (this.#socket.isPaused && this.#waiting.length === 0) this.#socket.resume();
      }
    } catch (error) {
      this.context.log(`a frame could not be handled: ${(error as Error).message}`);
      this.#socket.close(1011, "internal error");
    } finally {
      this.#isHandling = false;
    }
  }

  async #handleFrame({ data, isBinary }: Frame): Promise<void> {
    const message = decodeMessage(data, isBinary, this.version);
    if (!message.ok) return this.#socket.close(1011, message.error);
    await this.#handle(message.value);
  }

  async #handle(message: Message): Promise<void> {
    if (message.topic === "phoenix" && message.event === "heartbeat") return this.reply(message, "ok", {});
    if (message.event === "phx_join") return await this.#join(message);
    const channel = this.#channels.get(message.topic);
    if (channel) return await channel.handle(message);
    if (message.event === "phx_leave") return this.reply(message, "ok", {});
    this.reply(message, "error", { reason: "unmatched topic" });
  }

  async #join(message: Message): Promise<void> {
    if (!/^realtime:./s.test(message.topic)) return this.reply(message, "error", { reason: "unmatched topic" });
    this.#channels.get(message.topic)?.end("phx_close");
    const joined = await this.#openChannel(message);
    if (!joined.ok) return this.reply(message, "error", { reason: joined.error });
    if (!this.#isOpen) return;
    this.#channels.set(message.topic, joined.value);
    this.reply(message, "ok", { postgres_changes: joined.value.postgresChanges });
    joined.value.start();
  }

  async #openChannel(message: Message): Promise<Result<Channel, string>> {
    if (this.#channels.size >= this.context.limits.channelsPerConnection) {
      return err("ChannelRateLimitReached: Too many channels");
    }
    const identity = await this.#identityFor(message.payload);
    if (!identity.ok) return identity;
    const config = readJoinConfig(message.payload);
    return await Channel.join(this, message, { config, identity: identity.value });
  }

  /** The user's, or without a user's token that of the connection. */
  async #identityFor(payload: Readonly<Record<string, unknown>>): Promise<Result<Identity, string>> {
    const token = payload.user_token ?? payload.access_token;
    if (typeof token !== "string" || token.startsWith("sb_")) return ok(this.#identity);
    const identity = await this.context.identify.byToken(token);
    if (identity.ok) return identity;
    return err(`${identity.error.code}: ${identity.error.message}`);
  }

  get #isOpen(): boolean {
    return this.#socket.readyState === this.#socket.OPEN;
  }

  #release(): void {
    this.#waiting.length = 0;
    for (const channel of this.#channels.values()) channel.release();
    this.#channels.clear();
  }
}
