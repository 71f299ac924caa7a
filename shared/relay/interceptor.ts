import type { LeaveMessage } from "../connection/mod.ts";
import type { FrameData } from "./frame_queue.ts";

/** How a client has left. */
export interface Departure extends Pick<LeaveMessage, "reason" | "close"> {
  /** Whether all that was sent to it had gone out. */
  readonly isDrained: boolean;
}

/** What an interceptor does to the pipe that it stands in. */
export interface PipeEnds {
  /** Dials the upstream: once the interceptor is ready for it, and again after `upstreamLost`. */
  dial(): void;
  /** Sends a frame to the client, or queues it; where there is no room for it both sides are closed (1013). */
  toClient(data: FrameData): void;
  /** As `toClient`, towards the upstream that was dialled last; a frame for one that is not there is dropped. */
  toUpstream(data: FrameData): void;
  /** Whether the upstream has said anything since this was called; what it gives may be asked at any time. */
  listen(): () => boolean;
  /** Lets go of an upstream that says nothing any more, as one that broke off. */
  lose(reason: string): void;
  /** Ends both sides, once the client has what was sent to it before. */
  end(code: number, reason: string): void;
}

/**
 * What stands between both sides of one pipe, sees every frame and decides what goes on. Without one, frames pass as they
 * are. Its methods are called in the order of what happened, and after `left` only those by which an upstream that is kept
 * is heard: `parting`, `fromUpstream` and `upstreamLost`.
 */
export interface Interceptor {
  /** The client has joined. Nothing is dialled until it says so. */
  joined(ends: PipeEnds): void;
  /** A frame of the client. */
  fromClient(data: FrameData): void;
  /** A frame of the upstream. */
  fromUpstream(data: FrameData): void;
  /**
   * The upstream has closed, or broke off (0 or 1006), after it was open, or cannot be had again after one was (1006). Whether
   * the pipe goes on without it.
   */
  upstreamLost(code: number, reason: string): boolean;
  /** The isolate ends: calls `ready` once the client may go to another, which it has to in the end. */
  drain(ready: () => void): void;
  /**
   * The upstream is about to be closed from this side, with the client there or gone. Where something that it has still to say
   * matters, this gives a promise, and the upstream is kept until that has settled, which has to be soon; `send` reaches it at
   * once. Nothing else goes to either side from then on.
   */
  parting?(send: (data: FrameData) => void): Promise<void> | undefined;
  /** The client is gone, or the pipe was ended; called once, whatever happened before. */
  left(departure: Departure): void;
}
