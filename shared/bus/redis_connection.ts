import type { Redis } from "ioredis";
import { retryDelayMs } from "./retry_delay_ms.ts";

/** What a connection to Redis is given. */
export interface RedisConnectionOptions {
  /** `redis://[USER:PASSWORD@]HOST[:PORT]`, or `rediss://` for TLS. */
  readonly url: string;
  /** A server that does not answer a command for so long counts as gone: one that was paused or cut off sends no close. */
  readonly patienceMs: number;
  /** Called each time commands can be sent: at first, and after each loss. */
  readonly onReady: (redis: Redis, isAgain: boolean) => void;
  /** Called when the connection is lost. */
  readonly onLost?: () => void;
  /** Called once an outage. */
  readonly warn: (message: string) => void;
}

const PACE = { firstMs: 50, mostMs: 3_000 };
const GOODBYE_MS = 500;

/**
 * One connection to Redis that opens again by itself until it is closed, with exponential backoff and jitter. Nothing
 * waits in it: a command that is sent while there is no connection fails.
 */
export class RedisConnection {
  readonly #options: RedisConnectionOptions;
  #redis: Redis | undefined;
  #isClosed = false;
  #isOut = false;
  #wasReady = false;
  #attempts = 0;
  #retry: ReturnType<typeof setTimeout> | undefined;

  constructor(options: RedisConnectionOptions) {
    this.#options = options;
    // Loaded here, as an isolate whose bus is another one should not pay for its start.
    import("ioredis").then(({ Redis }) => this.#open(Redis), (error) => this.#warn(error));
  }

  /** The client while it takes commands. */
  get ready(): Redis | undefined {
    return this.#redis?.status === "ready" ? this.#redis : undefined;
  }

  /** Lets commands that were sent arrive, for a moment, and ends the connection. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearTimeout(this.#retry);
    const redis = this.#redis;
    if (redis === undefined || redis.status === "end") return;
    const ended = new Promise<void>((resolve) => redis.once("end", () => resolve()));
    const timer = setTimeout(() => redis.disconnect(), GOODBYE_MS);
    if (redis.status === "ready") redis.quit().catch(() => redis.disconnect());
    else redis.disconnect();
    await ended;
    clearTimeout(timer);
  }

  #open(Client: typeof Redis): void {
    if (this.#isClosed) return;
    const redis = this.#redis = new Client(this.#options.url, {
      protocol: 2, // Any server speaks it, and nothing here needs more.
      disableClientInfo: true,
      enableReadyCheck: false,
      enableOfflineQueue: false,
      autoResubscribe: false,
      connectTimeout: this.#options.patienceMs,
      socketTimeout: this.#options.patienceMs,
      retryStrategy: null, // Its own timer could not be ended between two attempts.
    });
    redis.on("error", (error) => this.#warn(error));
    redis.on("ready", () => this.#onReady(redis));
    redis.on("end", () => this.#onEnd(redis));
  }

  #onEnd(redis: Redis): void {
    this.#options.onLost?.();
    if (this.#isClosed) return;
    this.#retry = setTimeout(() => redis.connect().catch(noop), retryDelayMs(++this.#attempts, PACE));
  }

  #onReady(redis: Redis): void {
    if (this.#isClosed) return;
    const isAgain = this.#wasReady;
    this.#wasReady = true;
    this.#isOut = false;
    this.#attempts = 0;
    this.#options.onReady(redis, isAgain);
  }

  #warn(error: unknown): void {
    if (this.#isOut || this.#isClosed) return;
    this.#isOut = true;
    this.#options.warn(`Cannot reach Redis: ${outageOf(error)}`);
  }
}

/** A failed attempt is told by "error" and "end". */
function noop(): void {}

/**
 * What went wrong, in one word: the system's code (`ECONNREFUSED`) or Redis's own (`WRONGPASS`). The whole message is not
 * shown, as it may quote what was sent or where to.
 */
export function outageOf(error: unknown): string {
  if (!(error instanceof Error)) return "unknown";
  if ("code" in error && typeof error.code === "string") return error.code;
  return /^[A-Z]{3,}(?= )/.exec(error.message)?.[0] ??
    (error.message.startsWith("Socket timeout") ? "ETIMEDOUT" : error.name);
}
