import { eventually } from "../../support/eventually.ts";
import { DeliveryCheck } from "./delivery_check.ts";
import { FrameSocket } from "./frame_socket.ts";
import { findMarked, type Marked, markedText } from "./marked_text.ts";
import { percentiles } from "./percentiles.ts";
import type { Dialect, JoinCommand, LoadCommand, LoadResult } from "./protocol.ts";

interface Member {
  readonly socket: FrameSocket;
  readonly check: DeliveryCheck;
  probed: boolean;
}

interface Progress {
  deliveries: number;
  /** Deliveries that are still to come. */
  due: number;
  frames: number;
  bytes: number;
  readonly latenciesUs: number[];
}

const PROBE = "!probe";
/** How long the last deliveries of a load may take before they count as lost. */
const DRAIN_DEADLINE_MS = 20_000;

/** A room of connections to one system, on which loads are run. It trusts no delivery: see `DeliveryCheck`. */
export class RoomLoad {
  readonly #name: string;
  /** Part of every `client_id`: a user's must not come twice, not even in another load's room. */
  readonly #run = crypto.randomUUID().slice(0, 8);
  readonly #dialect: Dialect;
  readonly #senders: number;
  readonly #members: Member[] = [];
  readonly #sent: number[];
  #progress: Progress = newProgress();
  #error: Error | undefined;
  #onDelivery: () => void = () => {};

  private constructor({ room, dialect, senders }: JoinCommand) {
    this.#name = room;
    this.#dialect = dialect;
    this.#senders = senders;
    this.#sent = new Array(senders).fill(0);
  }

  /** Opens all connections; settles once each has received a message, and so is in the room. */
  static async join(command: JoinCommand): Promise<RoomLoad> {
    const room = new RoomLoad(command);
    for (const url of command.urls) await room.#open(url);
    await room.#probe();
    return room;
  }

  /** Runs one load. Rejects where a message was lost, doubled or overtaken, or a connection ended. */
  async run(command: LoadCommand): Promise<LoadResult> {
    this.#progress = newProgress();
    const sentBefore = total(this.#sent);
    const startedAt = performance.now();
    await (command.perSecond === undefined ? this.#saturate(command) : this.#pace(command, command.perSecond));
    await this.#drain();
    const seconds = (performance.now() - startedAt) / 1000;
    this.#checkOrders();
    const messages = total(this.#sent) - sentBefore;
    const { deliveries, frames, bytes, latenciesUs } = this.#progress;
    const at = percentiles(latenciesUs);
    return {
      messages,
      deliveries,
      deliveriesToOthers: messages * (this.#members.length - 1),
      frames,
      bytes,
      seconds,
      p50Ms: at(0.5) / 1000,
      p95Ms: at(0.95) / 1000,
      p99Ms: at(0.99) / 1000,
    };
  }

  close(): void {
    for (const { socket } of this.#members) socket.close();
  }

  async #open(url: string): Promise<void> {
    const socket = await FrameSocket.open(url);
    // A Socket.IO connection begins when its client says so, in the namespace that has no name.
    if (this.#dialect.frames === "socket.io") socket.send("40");
    const index = this.#members.length;
    const member: Member = {
      socket,
      check: new DeliveryCheck(`${this.#name}, member ${index}`, this.#senders),
      probed: this.#isLeftOut(index),
    };
    this.#members.push(member);
    // Each tenth member's deliveries or so are timed: enough for percentiles, and cheap.
    const isTimed = index % 10 === 5;
    const onMarked = (marked: Marked) => this.#delivered(member, marked, isTimed);
    socket.readFrames((buffer, start, end) => {
      this.#progress.frames++;
      this.#progress.bytes += end - start;
      if (findMarked(buffer, start, end, onMarked) === 0) this.#passing(member, buffer, start, end);
    }).catch((error) => this.#fail(error));
  }

  #delivered(member: Member, { sender, number, sentUs }: Marked, isTimed: boolean): void {
    member.check.take(sender, number);
    const progress = this.#progress;
    progress.deliveries++;
    progress.due--;
    if (isTimed) progress.latenciesUs.push(nowUs() - sentUs);
    this.#onDelivery();
  }

  /** A frame that holds no message of a load: a probe, an acknowledgement, presence, or an error, which ends the bench. */
  #passing(member: Member, buffer: Uint8Array, start: number, end: number): void {
    if (!member.probed && buffer.subarray(start, end).indexOf(PROBE.charCodeAt(0)) !== -1) member.probed = true;
    if (isError(buffer, start)) this.#fail(new Error(decoder.decode(buffer.subarray(start, end))));
  }

  /** Keeps `inFlight` messages of each sender under way. */
  async #saturate({ durationMs, inFlight, messageBytes }: LoadCommand): Promise<void> {
    const mostDue = inFlight * this.#senders * this.#receivers;
    let sender = 0;
    const fill = () => {
      while (this.#progress.due <= mostDue - this.#receivers) {
        this.#send(sender, messageBytes);
        sender = (sender + 1) % this.#senders;
      }
    };
    this.#onDelivery = fill;
    fill();
    await this.#wait(durationMs);
    this.#onDelivery = () => {};
  }

  async #pace({ durationMs, messageBytes }: LoadCommand, perSecond: number): Promise<void> {
    const startedAt = performance.now();
    const messages = Math.round(durationMs * perSecond / 1000);
    for (let n = 0; n < messages; n++) {
      const waitMs = startedAt + n * 1000 / perSecond - performance.now();
      if (waitMs > 0.5) await this.#wait(waitMs);
      this.#send(n % this.#senders, messageBytes);
    }
  }

  #send(sender: number, bytes: number): void {
    const number = this.#sent[sender]!++;
    this.#progress.due += this.#receivers;
    const text = markedText({ sender, number, sentUs: nowUs() }, bytes);
    this.#members[sender]!.socket.send(this.#encode(text, `${sender}-${number}`));
  }

  #encode(text: string, clientId: string): string {
    if (this.#dialect.frames === "socket.io") return `42["m","${text}"]`;
    return this.#dialect.frames === "plain"
      ? text
      : `{"type":"chat","client_id":"${this.#run}-${clientId}","body":"${text}"}`;
  }

  /** To how many connections a message goes. */
  get #receivers(): number {
    return this.#members.length - (this.#dialect.echoesSender ? 0 : 1);
  }

  /** Whether a member cannot hear the probe, since it sends it. */
  #isLeftOut(index: number): boolean {
    return index === 0 && !this.#dialect.echoesSender;
  }

  /** A handshake is answered before the server has the connection in its room: only a message that comes shows it. */
  async #probe(): Promise<void> {
    let probes = 0;
    await eventually(`every member of ${this.#name} hears a message`, () => {
      this.#throwIfFailed();
      if (this.#members.every(({ probed }) => probed)) return true;
      this.#members[0]!.socket.send(this.#encode(PROBE, `probe-${probes++}`));
    }, { everyMs: 100, deadlineMs: 30_000 });
  }

  async #drain(): Promise<void> {
    const what = `the last deliveries of ${this.#name} arrive`;
    await eventually(what, () => this.#throwIfFailed() ?? this.#progress.due === 0, {
      everyMs: 2,
      deadlineMs: DRAIN_DEADLINE_MS,
    });
  }

  /** All who received everything must have received it in one order; who does not hear itself has an order of its own. */
  #checkOrders(): void {
    const comparable = this.#dialect.echoesSender ? this.#members : this.#members.slice(this.#senders);
    const orders = new Set(comparable.map(({ check }) => check.order));
    if (orders.size > 1) throw new Error(`${this.#name}: members received the same messages in ${orders.size} orders`);
  }

  async #wait(ms: number): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, ms));
    this.#throwIfFailed();
  }

  #fail(error: Error): void {
    this.#error ??= new Error(`${this.#name}: ${error.message}`);
  }

  #throwIfFailed(): undefined {
    if (this.#error !== undefined) throw this.#error;
  }
}

function newProgress(): Progress {
  return { deliveries: 0, due: 0, frames: 0, bytes: 0, latenciesUs: [] };
}

const decoder = new TextDecoder();
const ERROR_FRAME = new TextEncoder().encode('{"type":"error"');

function isError(buffer: Uint8Array, start: number): boolean {
  return ERROR_FRAME.every((byte, index) => buffer[start + index] === byte);
}

function nowUs(): number {
  return Math.round(performance.now() * 1000);
}

function total(numbers: readonly number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0);
}
