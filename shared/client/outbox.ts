import type { AckFrame } from "../protocol/chat_server_frames.ts";
import type { ErrorFrame } from "../protocol/connection_frames.ts";
import type { ErrorCode } from "../protocol/codes.ts";
import { backoffDelayMs } from "./backoff_delay_ms.ts";
import { ChatError, isRetryable } from "./chat_error.ts";
import type { Clock } from "./clock.ts";
import type { OutboxEntry, OutboxStorage, OutgoingFrame } from "./outbox_storage.ts";

/** The bounds of an outbox. */
export interface OutboxLimits {
  /** Messages that wait; default 1,000. */
  readonly maxMessages: number;
  /** Characters of JSON that wait; default 1 Mi. */
  readonly maxChars: number;
  /**
   * Messages that are under way at once; default 1, which keeps the order whatever happens. With more, one that is refused
   * for a moment (an outage of the database) is overtaken by those behind it.
   */
  readonly maxUnderWay: number;
}

export const OUTBOX_LIMITS: OutboxLimits = { maxMessages: 1_000, maxChars: 1_048_576, maxUnderWay: 1 };

/** What an outbox is given. `Carrier` is a connection, over which a frame went. */
export interface OutboxOptions<Carrier> {
  readonly storage: OutboxStorage;
  readonly limits: OutboxLimits;
  readonly clock: Clock;
  readonly random: () => number;
  /** Sends a frame, and gives the connection that carries it; `undefined` where there is none. */
  readonly transmit: (frame: OutgoingFrame) => Carrier | undefined;
  /** A message has left the outbox: it got its `ack`, or was refused for good. */
  readonly settled: (frame: OutgoingFrame, result: AckFrame | ChatError) => void;
}

interface Waiting<Carrier> extends OutboxEntry {
  readonly chars: number;
  readonly promise: Promise<AckFrame>;
  readonly resolve: (ack: AckFrame) => void;
  readonly reject: (error: ChatError) => void;
  carrier?: Carrier | undefined;
}

/**
 * The messages that have no `ack` yet, in the order in which they were given. Each is sent again, with the same
 * `client_id`, after its connection was lost or the server could not take it for a moment, until it has its `ack` or is
 * refused for good; until then it is in the storage.
 */
export class Outbox<Carrier> {
  readonly #options: OutboxOptions<Carrier>;
  /** By `client_id`, in order. */
  readonly #waiting = new Map<string, Waiting<Carrier>>();
  #chars = 0;
  #order = 0;
  /** Tries in a row that the server could not take. */
  #attempt = 0;
  #pauseTimer: unknown;

  constructor(options: OutboxOptions<Carrier>) {
    this.#options = options;
    for (const entry of [...options.storage.load()].sort((a, b) => a.order - b.order)) this.#keep(entry);
  }

  /** What waits, in order. */
  get pending(): readonly OutgoingFrame[] {
    return [...this.#waiting.values()].map(({ frame }) => frame);
  }

  /**
   * Takes a message. Resolves with its `ack`; rejects where it is refused for good, the outbox or its storage is full, or
   * `abandon` was called. A `client_id` that waits already gives the same promise.
   */
  add(frame: OutgoingFrame): Promise<AckFrame> {
    const known = this.#waiting.get(frame.client_id);
    if (known !== undefined) return known.promise;
    const entry = { order: this.#order + 1, frame };
    const failure = this.#overfull(JSON.stringify(frame).length) ?? this.#store(entry);
    if (failure !== undefined) return Promise.reject(failure);
    const { promise } = this.#keep(entry);
    this.flush();
    return promise;
  }

  /** Sends what may go. */
  flush(): void {
    if (this.#pauseTimer !== undefined) return;
    let underWay = 0;
    for (const entry of this.#waiting.values()) {
      if (underWay === this.#options.limits.maxUnderWay) return;
      underWay++;
      if (entry.carrier !== undefined) continue;
      entry.carrier = this.#options.transmit(entry.frame);
      if (entry.carrier === undefined) return;
    }
  }

  /** An `ack` came. Gives whether it was for a message of this outbox. */
  acknowledge(ack: AckFrame): boolean {
    const entry = this.#waiting.get(ack.client_id ?? "");
    if (entry === undefined) return false;
    this.#attempt = 0;
    this.#drop(entry);
    entry.resolve(ack);
    this.#options.settled(entry.frame, ack);
    this.flush();
    return true;
  }

  /** An `error` came. Gives whether it was about a message of this outbox. */
  refuse({ ref, code, message, retry_after_ms }: ErrorFrame): boolean {
    const entry = this.#waiting.get(ref ?? "");
    if (entry === undefined) return false;
    if (isRetryable(code)) {
      entry.carrier = undefined;
      this.pause(retry_after_ms ?? backoffDelayMs(this.#attempt++, this.#options.random()));
    } else this.refuseForGood(entry.frame.client_id, new ChatError(code as ErrorCode, message));
    return true;
  }

  /** Gives a message up. */
  refuseForGood(clientId: string, error: ChatError): void {
    const entry = this.#waiting.get(clientId);
    if (entry === undefined) return;
    this.#drop(entry);
    entry.reject(error);
    this.#options.settled(entry.frame, error);
    this.flush();
  }

  /** Sends nothing for so long. */
  pause(delayMs: number): void {
    const { clock } = this.#options;
    clock.clearTimeout(this.#pauseTimer);
    this.#pauseTimer = clock.setTimeout(() => {
      this.#pauseTimer = undefined;
      this.flush();
    }, delayMs);
  }

  /** What went over `carrier` and has no answer goes again. */
  lost(carrier: Carrier): void {
    for (const entry of this.#waiting.values()) if (entry.carrier === carrier) entry.carrier = undefined;
  }

  /** Whether an answer is awaited from `carrier`. */
  isUnderWay(carrier: Carrier): boolean {
    return [...this.#waiting.values()].some((entry) => entry.carrier === carrier);
  }

  /** Ends the timer and rejects every promise; the messages stay in the storage, for the next client. */
  abandon(error: ChatError): void {
    this.#options.clock.clearTimeout(this.#pauseTimer);
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
    this.#chars = 0;
  }

  #keep(entry: OutboxEntry): Waiting<Carrier> {
    const chars = JSON.stringify(entry.frame).length;
    const waiting = { ...entry, chars, ...Promise.withResolvers<AckFrame>() };
    // Nobody holds the promise of what came from the storage: `settled` tells of it.
    waiting.promise.catch(() => {});
    this.#waiting.set(entry.frame.client_id, waiting);
    this.#chars += chars;
    this.#order = Math.max(this.#order, entry.order);
    return waiting;
  }

  #drop({ frame, chars }: Waiting<Carrier>): void {
    this.#waiting.delete(frame.client_id);
    this.#chars -= chars;
    try {
      this.#options.storage.remove(frame.client_id);
    } catch {
      // It stays and is sent once more by the next client, which the server knows by its client_id.
    }
  }

  #overfull(chars: number): ChatError | undefined {
    const { maxMessages, maxChars } = this.#options.limits;
    if (this.#waiting.size >= maxMessages) {
      return new ChatError("outbox_full", `Cannot send as ${maxMessages} messages wait for their ack already`);
    }
    if (this.#chars + chars > maxChars) {
      return new ChatError("outbox_full", `Cannot send as more than ${maxChars} characters would wait for their ack`);
    }
  }

  #store(entry: OutboxEntry): ChatError | undefined {
    try {
      this.#options.storage.put(entry);
    } catch (cause) {
      return new ChatError("storage_failed", "Cannot send as the message could not be stored", { cause });
    }
  }
}
