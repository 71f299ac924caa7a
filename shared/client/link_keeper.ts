import type { ChatServerFrame } from "../protocol/chat_server_frames.ts";
import { afterClose, type LinkEnd } from "./after_close.ts";
import { backoffDelayMs } from "./backoff_delay_ms.ts";
import type { ChatError } from "./chat_error.ts";
import type { Clock } from "./clock.ts";
import type { Link, LinkListener } from "./link.ts";

/** Why a connection is made, for whoever fetches its token: after `expired` the last one was refused. */
export type ConnectReason = "initial" | "reconnect" | "hand_over" | "expired";

/**
 * Where a client is: `connecting` (for the first time), `open`, `handing_over` (still open, while the next connection is
 * made), `reconnecting` (the connection was lost for `error`; the next try follows after `delayMs`), `closed` (for good;
 * with an `error` where that was not what the application asked for).
 */
export type ChatStatus =
  | { readonly status: "connecting" }
  | { readonly status: "open" }
  | { readonly status: "handing_over" }
  | { readonly status: "reconnecting"; readonly delayMs: number; readonly error: ChatError }
  | { readonly status: "closed"; readonly error?: ChatError };

/** What a keeper is given. */
export interface KeeperOptions {
  readonly clock: Clock;
  /** From 0 to 1. */
  readonly random: () => number;
  /** Whether a refused token can be replaced. */
  readonly canRenewToken: boolean;
  readonly openLink: (reason: ConnectReason, listener: LinkListener) => Link;
}

/** Who uses the links that are kept. */
export interface LinkUser {
  /** Frames go over `link` from here on; what is under way on the one before may still be answered there. */
  ready(link: Link, frame: ChatServerFrame & { type: "connection" }): void;
  received(link: Link, frame: ChatServerFrame): void;
  /** Whatever was under way on `link` is not answered any more. */
  lost(link: Link): void;
  /** Whether `link` is needed still, although there is a newer one: for answers, or for rooms that are not open there yet. */
  isNeeded(link: Link): boolean;
  statusChanged(status: ChatStatus): void;
}

/** A connection that lived so long did work: the next loss of one begins with short waits again. */
const STABLE_MS = 2_000;
/** How long an old connection may be needed, once there is a new one. */
const LINGER_MS = 3_000;

/**
 * Keeps one link open for as long as it is wanted: comes back after a loss with backoff, and before the server ends a
 * connection makes the next one (make before break). There are at most three links: `current`, over which frames go,
 * `next`, which is being made, and `leaving`, the one before, until it is needed no more.
 */
export class LinkKeeper implements LinkListener {
  readonly #options: KeeperOptions;
  readonly #user: LinkUser;
  #current: Link | undefined;
  #next: Link | undefined;
  #leaving: Link | undefined;
  /** The next try. */
  #retryTimer: unknown;
  /** The next try is the hand-over that the server asked for, and none of it has failed. */
  #isToldToGo = false;
  #lingerTimer: unknown;
  #attempt = 0;
  #refusedTokens = 0;
  #reason: ConnectReason = "initial";
  #status: ChatStatus = { status: "connecting" };

  constructor(options: KeeperOptions, user: LinkUser) {
    this.#options = options;
    this.#user = user;
  }

  /** The link over which frames go, if there is one now. */
  get current(): Link | undefined {
    return this.#current;
  }

  get status(): ChatStatus {
    return this.#status;
  }

  /** Makes the first connection. */
  start(): void {
    this.#user.statusChanged(this.#status);
    this.#connect();
  }

  /** The network may have come back, or the page: tries at once, or makes sure that the connection lives. */
  wake(): void {
    if (this.#current !== undefined) return this.#current.probe();
    if (this.#retryTimer === undefined) return;
    this.#attempt = 0;
    this.#connect();
  }

  /** What the old link is needed for may have become less: it goes once that is nothing. */
  settled(): void {
    if (this.#leaving !== undefined && !this.#user.isNeeded(this.#leaving)) this.#dropLeaving();
  }

  /** Ends everything. May be called twice. */
  close(error?: ChatError): void {
    if (this.#isClosed) return;
    this.#cancelRetry();
    this.#dropLeaving();
    const links = [this.#next, this.#current];
    this.#next = this.#current = undefined;
    for (const link of links) {
      link?.close(1000, "done");
      if (link !== undefined) this.#user.lost(link);
    }
    this.#setStatus({ status: "closed", ...(error !== undefined && { error }) });
  }

  received(link: Link, frame: ChatServerFrame): void {
    if (frame.type === "connection" && link === this.#next) return this.#promote(link, frame);
    if (frame.type === "reconnect" && link === this.#current) this.#handOverAfter(frame.after_ms);
    this.#user.received(link, frame);
  }

  ended(link: Link, end: LinkEnd): void {
    if (link === this.#leaving) return this.#dropLeaving();
    const decision = afterClose(end, this.#afterCloseContext());
    if (link === this.#next) {
      this.#next = undefined;
      this.#attempt++;
    } else if (link === this.#current) {
      this.#current = undefined;
      this.#attempt = link.readyForMs >= STABLE_MS ? 0 : this.#attempt + 1;
    }
    this.#user.lost(link);
    if (decision.step === "stop") this.#stop(decision.error);
    else this.#goOn(decision);
  }

  #afterCloseContext() {
    return { canRenewToken: this.#options.canRenewToken, refusedTokens: this.#refusedTokens };
  }

  #stop(error: ChatError | undefined): void {
    // The old connection is as good as ever: what refused the next one is told when this one ends.
    if (this.#current !== undefined) this.#setStatus({ status: "open" });
    else this.close(error);
  }

  #goOn({ newToken, error }: { newToken: boolean; error: ChatError }): void {
    if (newToken) {
      this.#refusedTokens++;
      this.#reason = "expired";
    }
    const isLost = this.#current === undefined;
    if (isLost && this.#reason !== "expired") this.#reason = "reconnect";
    // A hand-over that is under way is the next try already.
    const delayMs = this.#next === undefined ? backoffDelayMs(this.#attempt, this.#options.random()) : 0;
    if (this.#next === undefined) this.#connectAfter(delayMs);
    if (isLost) this.#setStatus({ status: "reconnecting", delayMs, error });
  }

  #handOverAfter(delayMs: number): void {
    // A second word hurries the first; a try after one that failed keeps its own time.
    if (this.#next !== undefined || (this.#retryTimer !== undefined && !this.#isToldToGo)) return;
    if (this.#current!.readyForMs >= STABLE_MS) this.#attempt = 0;
    this.#reason = "hand_over";
    this.#connectAfter(delayMs);
    this.#isToldToGo = true;
  }

  #connectAfter(delayMs: number): void {
    this.#cancelRetry();
    this.#retryTimer = this.#options.clock.setTimeout(() => this.#connect(), delayMs);
  }

  #connect(): void {
    this.#cancelRetry();
    if (this.#current !== undefined) this.#setStatus({ status: "handing_over" });
    if (this.#isClosed) return; // Who heard of it has closed the client.
    this.#next = this.#options.openLink(this.#reason, this);
  }

  #promote(link: Link, frame: ChatServerFrame & { type: "connection" }): void {
    this.#dropLeaving();
    this.#leaving = this.#current;
    this.#current = link;
    this.#next = undefined;
    this.#refusedTokens = 0;
    this.#reason = "reconnect";
    this.#user.ready(link, frame);
    this.#setStatus({ status: "open" });
    // There was none, or who heard of this has closed the client.
    if (this.#leaving === undefined) return;
    this.#lingerTimer = this.#options.clock.setTimeout(() => this.#dropLeaving(), LINGER_MS);
    this.settled();
  }

  #dropLeaving(): void {
    const link = this.#leaving;
    if (link === undefined) return;
    this.#leaving = undefined;
    this.#options.clock.clearTimeout(this.#lingerTimer);
    link.close(1000, "done");
    this.#user.lost(link);
  }

  #cancelRetry(): void {
    this.#options.clock.clearTimeout(this.#retryTimer);
    this.#retryTimer = undefined;
    this.#isToldToGo = false;
  }

  get #isClosed(): boolean {
    return this.#status.status === "closed";
  }

  /** What the application hears may make it close the client, which nothing that follows undoes. */
  #setStatus(status: ChatStatus): void {
    if (this.#isClosed) return;
    this.#status = status;
    this.#user.statusChanged(status);
  }
}
