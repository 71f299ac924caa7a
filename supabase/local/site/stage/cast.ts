import { type Chat, type ChatEvents, type ChatStatus, connectChat } from "../../../../shared/client/mod.ts";
import { percentile } from "../echo/latencies.ts";
import { tappedWebSocket } from "../socket/tapped_web_socket.ts";
import { FrameLog } from "../socket/frame_log.ts";
import { Extra } from "./extra.ts";
import { type StoredMessage, Tally } from "./tally.ts";

/** One client of the stage, as it is now. */
export interface ClientView {
  readonly name: string;
  /** By which the server knows it over its connections. */
  readonly session: string;
  readonly status: ChatStatus["status"];
}

/** What the cast has done and seen so far. */
export interface CastView {
  readonly clients: readonly ClientView[];
  readonly sent: number;
  readonly acknowledged: number;
  readonly delivered: number;
  /** Over all clients, held against the log: see `Tally`. Acknowledged messages that the database has not count as lost. */
  readonly lost: number;
  readonly doubled: number;
  readonly reordered: number;
  /** Stored messages that were compared with what every client was given. */
  readonly compared: number;
  /** How often a client moved to another isolate before it had to, and how often it came back after a loss. */
  readonly moved: number;
  readonly cameBack: number;
  /** From `send` to a client, of the last messages, in ms. */
  readonly median: number | undefined;
  readonly p95: number | undefined;
  /** The newest event of the log that any client has seen. */
  readonly head: number;
  readonly error: string | undefined;
}

/** What is told as it happens; numbers are those of the clients. */
export interface CastListener {
  sent(by: number): void;
  acknowledged(by: number): void;
  delivered(from: number, to: number): void;
}

interface Client {
  readonly chat: Chat;
  readonly extra: Extra;
  readonly tally: Tally;
  timer?: ReturnType<typeof setTimeout>;
}

const NAMES = ["Ada", "Grace", "Linus", "Barbara", "Ken"];
const ADDRESS = "/functions/v1/chat";
const COMPARE_EVERY_MS = 2_000;
const PAGE = 1_000;
/** What waits for an `ack` is not added to beyond this: while the server is gone there is no use in more. */
const MOST_PENDING = 20;
const LATENCIES = 300;
const LOG_EVENTS = ["message_edited", "message_deleted", "reaction", "message_read", "member"] as const;

/** A few real clients that talk in a room of their own, and keep count of what becomes of every message. */
export class Cast {
  readonly room = `stage-${crypto.randomUUID().slice(0, 8)}`;
  readonly #key: string;
  readonly #listener: CastListener;
  readonly #clients: Client[];
  /** When a message was sent, by its `client_id`, until every client has it. */
  readonly #sentAt = new Map<string, { at: number; left: number }>();
  readonly #latencies: number[] = [];
  /** Acknowledged, and not yet seen in the database. */
  readonly #unseen = new Map<string, number>();
  readonly #compareTimer: ReturnType<typeof setInterval>;
  #compared = { seq: 0, messages: 0 };
  #isComparing = false;
  #ratePerSecond: number;
  #counts = { sent: 0, acknowledged: 0, delivered: 0, moved: 0, cameBack: 0, vanished: 0 };
  #error: string | undefined;

  /** Begins at once, with `ratePerSecond` messages of all clients together. */
  constructor(publishableKey: string, ratePerSecond: number, listener: CastListener) {
    this.#key = publishableKey;
    this.#listener = listener;
    this.#ratePerSecond = ratePerSecond;
    this.#clients = NAMES.map((name, number) => this.#enter(name, number));
    this.#compareTimer = setInterval(() => void this.#compare(), COMPARE_EVERY_MS);
  }

  /** How many messages the clients send together in a second; 0: none. */
  set ratePerSecond(rate: number) {
    this.#ratePerSecond = rate;
    this.#clients.forEach((_, number) => this.#sendLater(number));
  }

  view(): CastView {
    const tallies = this.#clients.map(({ tally }) => tally);
    const sum = (of: (tally: Tally) => number) => tallies.reduce((sum, tally) => sum + of(tally), 0);
    const { vanished, ...counts } = this.#counts;
    return {
      clients: this.#clients.map(({ chat, extra }) => ({
        name: extra.name,
        session: chat.session,
        status: chat.status.status,
      })),
      ...counts,
      lost: sum((tally) => tally.lost) + vanished,
      doubled: sum((tally) => tally.doubled),
      reordered: sum((tally) => tally.reordered),
      compared: this.#compared.messages,
      median: percentile(this.#latencies, 0.5),
      p95: percentile(this.#latencies, 0.95),
      head: Math.max(0, ...tallies.map(({ last = 0 }) => last)),
      error: this.#error,
    };
  }

  /** Ends all clients. May be called twice. */
  close(): void {
    clearInterval(this.#compareTimer);
    for (const { chat, timer } of this.#clients) {
      clearTimeout(timer);
      chat.close();
    }
  }

  #enter(name: string, number: number): Client {
    const extra = new Extra(name, this.#key);
    const tally = new Tally();
    const chat = connectChat({
      url: ADDRESS,
      room: this.room,
      token: (reason) => extra.token(reason === "expired" || reason === "refresh"),
      WebSocket: tappedWebSocket(new FrameLog()),
    });
    let status: ChatStatus["status"] = "connecting";
    chat.on("status", (now) => {
      if (now.status === "open" && status === "handing_over") this.#counts.moved++;
      if (now.status === "open" && status === "reconnecting") this.#counts.cameBack++;
      if (now.status === "closed" && now.error) this.#error = now.error.message;
      status = now.status;
    });
    chat.on("connection", ({ seq = 0 }) => tally.begin(seq));
    chat.on("new_message", ({ message }) => this.#delivered(message, number));
    for (const type of LOG_EVENTS) chat.on(type, ({ seq }) => tally.heard(seq));
    const client: Client = { chat, extra, tally };
    queueMicrotask(() => this.#sendLater(number));
    return client;
  }

  #sendLater(number: number): void {
    const client = this.#clients[number]!;
    clearTimeout(client.timer);
    if (this.#ratePerSecond === 0 || client.chat.status.status === "closed") return;
    // From half to one and a half of the time, so that the clients do not fall into step.
    const waitMs = (0.5 + Math.random()) * 1_000 * NAMES.length / this.#ratePerSecond;
    client.timer = setTimeout(() => {
      this.#send(client, number);
      this.#sendLater(number);
    }, waitMs);
  }

  #send({ chat, tally }: Client, number: number): void {
    if (tally.last === undefined || chat.pending.length >= MOST_PENDING) return;
    const client_id = crypto.randomUUID();
    this.#sentAt.set(client_id, { at: performance.now(), left: NAMES.length });
    this.#counts.sent++;
    this.#listener.sent(number);
    chat.send({ body: `message ${this.#counts.sent}`, client_id }).then(({ id, seq }) => {
      this.#counts.acknowledged++;
      this.#unseen.set(id, seq);
      this.#listener.acknowledged(number);
    }, () => this.#sentAt.delete(client_id));
  }

  #delivered({ id, seq, client_id = "", sender }: ChatEvents["message"], to: number): void {
    this.#clients[to]!.tally.heard(seq, id);
    this.#counts.delivered++;
    const sent = this.#sentAt.get(client_id);
    if (sent !== undefined) {
      this.#latencies.push(performance.now() - sent.at);
      if (this.#latencies.length > LATENCIES) this.#latencies.shift();
      if (--sent.left === 0) this.#sentAt.delete(client_id);
    }
    const from = this.#clients.findIndex(({ chat }) => chat.userId === sender.id);
    if (from >= 0) this.#listener.delivered(from, to);
  }

  /** Holds what every client was given against the database, as far as every client has come. */
  async #compare(): Promise<void> {
    const lasts = this.#clients.map(({ tally }) => tally.last);
    if (this.#isComparing || lasts.includes(undefined)) return;
    const upTo = Math.min(...lasts as number[]);
    // What was said before the last client came in not all of them have heard.
    if (this.#compared.seq === 0) this.#compared.seq = Math.max(...lasts as number[]);
    if (upTo <= this.#compared.seq) return;
    this.#isComparing = true;
    try {
      const stored = await this.#read(this.#compared.seq, upTo);
      for (const { tally } of this.#clients) tally.compare(stored);
      for (const { id } of stored) this.#unseen.delete(id);
      const last = stored.length === PAGE ? stored.at(-1)!.seq : upTo;
      for (const [id, seq] of this.#unseen) {
        if (seq > last) continue;
        if (seq > this.#compared.seq) this.#counts.vanished++;
        this.#unseen.delete(id);
      }
      this.#compared = { seq: last, messages: this.#compared.messages + stored.length };
    } catch (error) {
      this.#error = error instanceof Error ? error.message : String(error);
    } finally {
      this.#isComparing = false;
    }
  }

  async #read(after: number, upTo: number): Promise<StoredMessage[]> {
    const query = new URLSearchParams({
      select: "id,seq",
      room_id: `eq.${this.room}`,
      and: `(seq.gt.${after},seq.lte.${upTo})`,
      order: "seq",
      limit: String(PAGE),
    });
    const token = await this.#clients[0]!.extra.token(false);
    const response = await fetch(`/rest/v1/messages?${query}`, {
      headers: { apikey: this.#key, authorization: `Bearer ${token}` },
    });
    if (!response.ok) throw new Error(`Cannot compare with the database: it answered ${response.status}`);
    this.#error = undefined;
    return await response.json();
  }
}
