import type { ChatClientFrame } from "../protocol/chat_client_frames.ts";
import type { ChatServerFrame } from "../protocol/chat_server_frames.ts";
import type { ErrorFrame } from "../protocol/connection_frames.ts";
import type { ErrorCode } from "../protocol/codes.ts";
import { ChatError } from "./chat_error.ts";
import type { Clock } from "./clock.ts";

/** What requests are given. `Carrier` is a connection, over which a frame went. */
export interface RequestsOptions<Carrier> {
  readonly clock: Clock;
  /** How long an answer may take, times without a connection included. */
  readonly timeoutMs: number;
  /** Sends a frame, and gives the connection that carries it; `undefined` where there is none. */
  readonly transmit: (frame: ChatClientFrame) => Carrier | undefined;
}

interface Pending<Carrier> {
  readonly frame: ChatClientFrame;
  readonly answer: string;
  readonly resolve: (frame: ChatServerFrame) => void;
  readonly reject: (error: ChatError) => void;
  readonly timer: unknown;
  carrier?: Carrier | undefined;
}

/**
 * Frames that get one answer each. What has none when its connection is lost is asked again on the next, in the same
 * order: everything that is asked this way may be asked twice. Answers without a `ref` are told apart by what they are
 * about, so of two questions about the same the second waits for the first.
 */
export class Requests<Carrier> {
  readonly #options: RequestsOptions<Carrier>;
  readonly #pending = new Set<Pending<Carrier>>();
  #lastRef = 0;

  constructor(options: RequestsOptions<Carrier>) {
    this.#options = options;
  }

  /**
   * Asks, and gives the answer. Rejects with what the server refused it for, with `timeout`, or as `abandon` says.
   * @param answer what the answer is about, as `answerOf` gives it; left out: an `ack` of this very frame.
   */
  ask(frame: ChatClientFrame, answer?: string): Promise<ChatServerFrame> {
    const { clock, timeoutMs } = this.#options;
    const ref = `r${++this.#lastRef}`;
    const { promise, resolve, reject } = Promise.withResolvers<ChatServerFrame>();
    const timer = clock.setTimeout(() => {
      this.#pending.delete(request);
      reject(new ChatError("timeout", `Nothing was answered to '${frame.type}' in ${timeoutMs} ms`));
      this.flush();
    }, timeoutMs);
    const request: Pending<Carrier> = {
      frame: { ...frame, ref },
      answer: answer ?? `ack ${ref}`,
      resolve,
      reject,
      timer,
    };
    this.#pending.add(request);
    this.flush();
    return promise;
  }

  /** Sends what may go. */
  flush(): void {
    const asked = new Set<string>();
    for (const request of this.#pending) {
      if (!asked.has(request.answer)) request.carrier ??= this.#options.transmit(request.frame);
      asked.add(request.answer);
    }
  }

  /** A frame came: settles the request that it answers, if there is one. */
  answer(frame: ChatServerFrame): void {
    const answer = answerOf(frame);
    const request = this.#find((pending) => pending.answer === answer);
    if (request !== undefined) this.#settle(request).resolve(frame);
  }

  /** An `error` came. Gives whether it answers a request. */
  refuse({ ref, code, message }: ErrorFrame): boolean {
    const request = ref === undefined ? undefined : this.#find(({ frame }) => frame.ref === ref);
    if (request === undefined) return false;
    this.#settle(request).reject(new ChatError(code as ErrorCode, message));
    return true;
  }

  /** What went over `carrier` and has no answer is asked again. */
  lost(carrier: Carrier): void {
    for (const request of this.#pending) if (request.carrier === carrier) request.carrier = undefined;
  }

  /** Whether an answer is awaited from `carrier`. */
  isUnderWay(carrier: Carrier): boolean {
    return this.#find((request) => request.carrier === carrier) !== undefined;
  }

  /** Rejects everything. */
  abandon(error: ChatError): void {
    for (const request of [...this.#pending]) {
      this.#options.clock.clearTimeout(request.timer);
      this.#pending.delete(request);
      request.reject(error);
    }
  }

  #find(matches: (request: Pending<Carrier>) => boolean): Pending<Carrier> | undefined {
    return [...this.#pending].find((request) => request.carrier !== undefined && matches(request));
  }

  #settle(request: Pending<Carrier>): Pending<Carrier> {
    this.#options.clock.clearTimeout(request.timer);
    this.#pending.delete(request);
    this.flush();
    return request;
  }
}

/** What a frame answers, by which requests and answers find each other. */
export function answerOf(frame: ChatServerFrame): string | undefined {
  switch (frame.type) {
    case "ack":
      return `ack ${frame.ref}`;
    case "history":
    case "joined":
    case "left":
      return `${frame.type} ${frame.room}`;
    case "unread_count":
      return `unread_count ${frame.room ?? ""}`;
    case "refreshed":
      return "refreshed";
  }
}
