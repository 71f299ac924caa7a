import { eventually } from "../support/eventually.ts";
import { type SignedUp, signUp } from "../support/sign_up.ts";
import { type Quantiles, quantilesOf } from "./latencies.ts";
import { startStand } from "./stand.ts";

/** What became of the connections of an isolate that drained. */
export interface HerdReport {
  readonly connections: number;
  /** How many new sockets were opened in each 100 ms, from the first `reconnect` frame on. */
  readonly reconnectsPer100Ms: readonly number[];
  /** From opening the new socket to its first frame, in ms. */
  readonly connecting: Quantiles;
  /** Connections that broke or were closed before the next one was open. */
  readonly tooLate: number;
}

/** As many as an isolate lets one user have. */
const CONNECTIONS_PER_USER = 20;
const AT_ONCE = 10;
const BIN_MS = 100;

/**
 * Opens many inboxes on one isolate, waits until it drains, and follows each `reconnect` by the letter: the next socket
 * after `after_ms`, the old one closed when the next is open.
 */
export async function runHerd({ connections = 1_000, wallClockMs = 100_000, log = (_: string) => {} } = {}) {
  await using stand = await startStand({ seed: 1, bus: "memory", isolates: 1, wallClockMs });
  const count = Math.ceil(connections / CONNECTIONS_PER_USER);
  const users = await Promise.all(Array.from({ length: count }, (_, n) => signUp(stand.local, `user${n}`)));
  const herd: Inbox[] = Array.from({ length: connections }, (_, n) => new Inbox(stand.chatUrl, users[n % count]!));
  try {
    for (let n = 0; n < connections; n += AT_ONCE) {
      await Promise.all(herd.slice(n, n + AT_ONCE).map((inbox) => inbox.connect()));
    }
    log(`${connections} connections are open; waiting for the isolate to drain`);
    const hasMoved = () => herd.every(({ movedAt, isTooLate }) => movedAt !== undefined || isTooLate);
    await eventually("all have moved", hasMoved, { deadlineMs: wallClockMs, everyMs: 100 });
    return reportOn(herd);
  } finally {
    for (const inbox of herd) inbox.close();
  }
}

function reportOn(herd: readonly Inbox[]): HerdReport {
  const moves = herd.filter(({ movedAt }) => movedAt !== undefined);
  const begin = Math.min(...herd.map(({ toldAt }) => toldAt ?? Infinity));
  const bins = moves.map(({ movingAt }) => Math.floor((movingAt! - begin) / BIN_MS));
  return {
    connections: herd.length,
    reconnectsPer100Ms: Array.from({ length: Math.max(...bins) + 1 }, (_, i) => bins.filter((bin) => bin === i).length),
    connecting: quantilesOf(moves.map(({ movingAt, movedAt }) => movedAt! - movingAt!)),
    tooLate: herd.filter(({ isTooLate }) => isTooLate).length,
  };
}

/** One connection that moves when it is told to, once. Times are of `performance.now()`. */
class Inbox {
  toldAt: number | undefined;
  movingAt: number | undefined;
  movedAt: number | undefined;
  isTooLate = false;
  readonly #url: string;
  #socket: WebSocket | undefined;
  #next: WebSocket | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(url: string, { accessToken }: SignedUp) {
    this.#url = `${url.replace("http", "ws")}?batch=1&jwt=${accessToken}`;
  }

  async connect(): Promise<void> {
    const socket = this.#socket = new WebSocket(this.#url);
    await firstFrame(socket);
    socket.addEventListener("message", ({ data }) => {
      const frame = JSON.parse(data as string) as { type: string; after_ms: number };
      if (frame.type !== "reconnect" || this.toldAt !== undefined) return;
      this.toldAt = performance.now();
      this.#timer = setTimeout(() => this.#move(), frame.after_ms);
    });
    socket.addEventListener("close", () => this.isTooLate ||= this.movedAt === undefined);
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#socket?.close(1000, "done");
    this.#next?.close(1000, "done");
  }

  async #move(): Promise<void> {
    this.movingAt = performance.now();
    const next = this.#next = new WebSocket(this.#url);
    await firstFrame(next);
    this.movedAt = performance.now();
    this.#socket!.close(1000, "done");
  }
}

async function firstFrame(socket: WebSocket): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<string>();
  socket.addEventListener("message", ({ data }) => resolve(data), { once: true });
  const frame = await promise;
  if (JSON.parse(frame).type !== "connection") throw new Error(`An inbox was refused: ${frame}`);
}
