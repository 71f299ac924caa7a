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
  readonly resolve: (frame: ChatServerFrame) => void;
  readonly reject: (error: ChatError) => void;
  readonly timer: unknown;
  carrier?: Carrier | undefined;
}

/** A server reads only so much at once for one connection, and refuses the rest. */
const MAX_UNDER_WAY = 8;

/**
 * Frames that get one answer each, told apart by their `ref`. What has none when its connection is lost is asked again on
 * the next, in the same order: everything that is asked this way may be asked twice.
 */
export class Requests<Carrier> {
  readonly #options: RequestsOptions<Carrier>;
  /** By `ref`, in order. */
  readonly #pending = new Map<string, Pending<Carrier>>();
  #lastRef = 0;

  constructor(options: RequestsOptions<Carrier>) {
    this.#options = options;
  }

  /** Asks, and gives the answer. Rejects with what the server refused it for, with `timeout`, or as `abandon` says. */
  ask(frame: ChatClientFrame): Promise<ChatServerFrame> {
    const { clock, timeoutMs } = this.#options;
    const ref = `${frame.type} ${++this.#lastRef}`;
    const { promise, resolve, reject } = Promise.withResolvers<ChatServerFrame>();
    const timer = clock.setTimeout(() => {
      this.#take(ref)?.reject(new ChatError("timeout", `Nothing was answered to '${frame.type}' in ${timeoutMs} ms`));
    }, timeoutMs);
    this.#pending.set(ref, { frame: { ...frame, ref }, resolve, reject, timer });
    this.flush();
    return promise;
  }

  /** Sends what may go. */
  flush(): void {
    let underWay = 0;
    for (const request of this.#pending.values()) {
      if (++underWay > MAX_UNDER_WAY) return;
      request.carrier ??= this.#options.transmit(request.frame);
    }
  }

  /** A frame came: settles the request that it answers, if there is one. Gives whether there is. */
  answer(frame: ChatServerFrame): boolean {
    const request = this.#take(refOf(frame));
    request?.resolve(frame);
    return request !== undefined;
  }

  /** An `error` came. Gives whether it answers a request. */
  refuse({ ref, code, message }: ErrorFrame): boolean {
    const request = this.#take(ref);
    request?.reject(new ChatError(code as ErrorCode, message));
    return request !== undefined;
  }

  /** This answer counts for nothing: what it answers is asked again, on the connection there is now. */
  askAgain(answer: ChatServerFrame): void {
    const request = this.#pending.get(refOf(answer) ?? "");
    if (request === undefined) return;
    request.carrier = undefined;
    this.flush();
  }

  /** What went over `carrier` and has no answer is asked again. */
  lost(carrier: Carrier): void {
    for (const request of this.#pending.values()) if (request.carrier === carrier) request.carrier = undefined;
  }

  /** Whether an answer is awaited from `carrier`. */
  isUnderWay(carrier: Carrier): boolean {
    return [...this.#pending.values()].some((request) => request.carrier === carrier);
  }

  /** Rejects everything. */
  abandon(error: ChatError): void {
    for (const { timer, reject } of this.#pending.values()) {
      this.#options.clock.clearTimeout(timer);
      reject(error);
    }
    this.#pending.clear();
  }

  #take(ref: string | undefined): Pending<Carrier> | undefined {
    const request = this.#pending.get(ref ?? "");
    if (request === undefined) return undefined;
    this.#options.clock.clearTimeout(request.timer);
    this.#pending.delete(ref!);
    this.flush();
    return request;
  }
}

function refOf(frame: ChatServerFrame): string | undefined {
  return "ref" in frame ? frame.ref : undefined;
}
