import { openSocket, type TestSocket } from "../support/socket.ts";

/** An event of a room's log, as a client saw it. */
export interface SeenEvent {
  readonly seq: number;
  readonly type: string;
  /** Of a message: its id and body. */
  readonly id?: string;
  readonly body?: string;
}

interface Frame {
  readonly type: string;
  readonly room?: string;
  readonly seq?: number;
  readonly epoch?: string;
  readonly client_id?: string;
  readonly code?: string;
  readonly ref?: string;
  readonly message?: { readonly id: string; readonly room: string; readonly seq: number; readonly body: string };
}

/**
 * A chat client that is cut off at any moment and comes back with its positions: what a careful client does, in the
 * plainest way. It keeps each event that it is sent, so that a test can tell what was lost, doubled or out of order.
 */
export class RoomClient {
  /** What arrived, by room, in the order of arrival. */
  readonly logs = new Map<string, SeenEvent[]>();
  /** The ids that the server gave, by client_id. */
  readonly acks = new Map<string, string>();
  readonly unexpected: Frame[] = [];
  readonly #rooms: readonly string[];
  readonly #url: (room: string, query: string) => string;
  readonly #epochs = new Map<string, string>();
  readonly #unacknowledged = new Map<string, string>();
  #socket: TestSocket | undefined;
  #reading: Promise<void> = Promise.resolve();

  constructor(rooms: readonly string[], url: (room: string, query: string) => string) {
    this.#rooms = rooms;
    this.#url = url;
    for (const room of rooms) this.logs.set(room, []);
  }

  /** How many messages have no ack. */
  get waiting(): number {
    return this.#unacknowledged.size;
  }

  /** Connects, resumes every room, and sends again what has no ack. */
  async connect(): Promise<void> {
    const [first = "", ...others] = this.#rooms;
    const socket = await openSocket(this.#url(first, this.#positionQuery(first)));
    this.#socket = socket;
    this.#reading = this.#read(socket);
    for (const room of others) this.sendJson({ type: "join", room, ...this.#position(room) });
    for (const frame of this.#unacknowledged.values()) this.#sendText(frame);
  }

  /** Breaks off in the middle of whatever goes on; what was on its way is lost. */
  async breakOff(): Promise<void> {
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.socket.close();
    await this.#reading;
  }

  say(room: string, body: string, clientId: string): void {
    const frame = JSON.stringify({ type: "chat", room, body, client_id: clientId });
    this.#unacknowledged.set(clientId, frame);
    this.#sendText(frame);
  }

  /** Sends a frame as it is, if there is a connection. */
  sendJson(frame: unknown): void {
    this.#sendText(JSON.stringify(frame));
  }

  #sendText(text: string): void {
    if (this.#socket?.socket.readyState === WebSocket.OPEN) this.#socket.send(text);
  }

  async #read(socket: TestSocket): Promise<void> {
    for (;;) {
      let frame: Frame;
      try {
        frame = await socket.nextJson() as unknown as Frame;
      } catch {
        if (socket.socket.readyState >= WebSocket.CLOSING) return;
        continue; // Nothing came for a while.
      }
      // A client that broke off has lost what arrives after that.
      if (this.#socket === socket) this.#take(frame);
    }
  }

  #take(frame: Frame): void {
    if (frame.type === "connection" || frame.type === "joined") {
      this.#epochs.set(frame.room!, frame.epoch!);
      const log = this.logs.get(frame.room!)!;
      // The first time it is in a room, its log begins where that one ends.
      if (log.length === 0) log.push({ seq: frame.seq!, type: "begin" });
    } else if (frame.type === "ack") {
      this.acks.set(frame.client_id!, (frame as unknown as { id: string }).id);
      this.#unacknowledged.delete(frame.client_id!);
    } else if (frame.message !== undefined) {
      const { id, room, seq, body } = frame.message;
      this.logs.get(room)?.push({ seq, type: frame.type, id, body });
    } else if (frame.seq !== undefined) this.logs.get(frame.room!)?.push({ seq: frame.seq, type: frame.type });
    else if (frame.type === "error" || frame.type === "resync") this.unexpected.push(frame);
  }

  #position(room: string): { since?: number; epoch?: string } {
    const last = this.logs.get(room)!.at(-1);
    const epoch = this.#epochs.get(room);
    return last === undefined || epoch === undefined ? {} : { since: last.seq, epoch };
  }

  #positionQuery(room: string): string {
    const { since, epoch } = this.#position(room);
    return since === undefined ? "" : `&since=${since}&epoch=${epoch}`;
  }
}
