import { Chat } from "./chat.ts";
import { chatUrl } from "./chat_url.ts";
import { type Clock, systemClock } from "./clock.ts";
import type { SocketConstructor } from "./link.ts";
import { OUTBOX_LIMITS, type OutboxLimits } from "./outbox.ts";
import { memoryStorage, type OutboxStorage } from "./outbox_storage.ts";
import { randomId } from "./random_id.ts";
import type { TokenSource } from "./transport.ts";
import { type NetworkWatch, pageWatch } from "./watch_network.ts";

/** What `connectChat` is given. */
export interface ChatOptions {
  /** Where the chat function is: `https://PROJECT.supabase.co/functions/v1/chat`. */
  readonly url: string | URL;
  /**
   * The user's token, or what fetches it: called for each connection (`initial`, `reconnect`, `hand_over`; `expired` after
   * one was refused), and before it expires (`refresh`). With a mere string the client stops when that expires.
   */
  readonly token: TokenSource;
  /** The room to join; the inbox, with all rooms of the user, where it is left out. */
  readonly room?: string;
  /** Where messages wait for their `ack`; default in memory. See `localStorageOutbox`. */
  readonly storage?: OutboxStorage;
  /** See `OutboxLimits`. */
  readonly outbox?: Partial<OutboxLimits>;
  /** How long a connection may take to come about, its token included; default 10,000. */
  readonly connectTimeoutMs?: number;
  /** How long an answer may take, times without a connection included; default 30,000. Messages wait without limit. */
  readonly requestTimeoutMs?: number;
  /** After how much silence the server is asked whether it lives, and how long it may take; default 30,000 and 5,000. 0: never. */
  readonly pingIntervalMs?: number;
  /** How long an answer to a ping may take; then the connection counts as lost. */
  readonly pongTimeoutMs?: number;
  /** The class to open sockets with; default the global one. */
  readonly WebSocket?: SocketConstructor;
  /** Time, for tests. */
  readonly clock?: Clock;
  /** What says that the network is back; default the page's `online`. */
  readonly network?: NetworkWatch;
  /** From 0 to 1, for the waits between tries. */
  readonly random?: () => number;
  /** Makes ids of messages and of this client's session; default 32 random hex digits. */
  readonly newId?: () => string;
}

/**
 * Connects to a chat and stays connected until it is closed, here or for good by the server.
 *
 * - What `send` resolved is stored. What has no `ack` is sent again after every loss, in order, and stored once.
 * - Events of a room come in `seq` order, each once, over any number of connections: missed ones are fetched. Where the
 *   log no longer reaches back so far, a `resync` says so: read `history`.
 * - Before the server ends a connection the next one is made, so that nobody waits.
 * - Close codes are obeyed: retry (exponential backoff with full jitter), retry with a new token, or stop: then the
 *   status is `closed` with an error, and whatever waits rejects with it.
 *
 * ```ts
 * const chat = connectChat({ url: "https://PROJECT.supabase.co/functions/v1/chat", token: fetchToken, room: "lobby" });
 * chat.on("message", ({ sender, body }) => console.log(sender.name, body));
 * await chat.send({ body: "hello" });
 * ```
 * @throws {TypeError} for a `url` that is none.
 */
export function connectChat(options: ChatOptions): Chat {
  const newId = options.newId ?? randomId;
  const session = newId();
  // Here rather than at each connection, where it would look like a network that fails.
  chatUrl(options.url, { token: "", session });
  return new Chat({
    url: options.url,
    token: options.token,
    room: options.room,
    session,
    storage: options.storage ?? memoryStorage(),
    outbox: { ...OUTBOX_LIMITS, ...options.outbox },
    connectTimeoutMs: options.connectTimeoutMs ?? 10_000,
    requestTimeoutMs: options.requestTimeoutMs ?? 30_000,
    pingIntervalMs: options.pingIntervalMs ?? 30_000,
    pongTimeoutMs: options.pongTimeoutMs ?? 5_000,
    WebSocket: options.WebSocket ?? WebSocket,
    clock: options.clock ?? systemClock,
    network: options.network ?? pageWatch,
    random: options.random ?? Math.random,
  }, newId);
}
