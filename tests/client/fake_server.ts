import { createClock } from "@sinonjs/fake-timers";
import type { Chat } from "../../shared/client/chat.ts";
import type { Clock } from "../../shared/client/clock.ts";
import { type ChatOptions, connectChat } from "../../shared/client/connect_chat.ts";
import type { SocketLike } from "../../shared/client/link.ts";

type Frame = Record<string, unknown>;

/** A socket whose other end is the test. */
export class FakeSocket implements SocketLike {
  onmessage: SocketLike["onmessage"] = null;
  onclose: SocketLike["onclose"] = null;
  /** What the client sent, `type` by `type`. */
  readonly sent: Frame[] = [];
  /** With which code the client closed it. */
  closedWith: number | undefined;
  readonly query: URLSearchParams;

  constructor(readonly url: string) {
    this.query = new URL(url).searchParams;
  }

  send(text: unknown): void {
    this.sent.push(JSON.parse(text as string));
  }

  close(code?: number): void {
    this.closedWith ??= code ?? 1005;
  }

  /** The frames of one type that the client sent. */
  sentOf(type: string): Frame[] {
    return this.sent.filter((frame) => frame.type === type);
  }

  /** Sends frames to the client. */
  say(...frames: (Frame | string)[]): void {
    for (const frame of frames) {
      const data = typeof frame === "string" ? frame : JSON.stringify(frame);
      this.onmessage?.call(this as unknown as WebSocket, new MessageEvent("message", { data }));
    }
  }

  /** Says that the client is connected, at `seq` of epoch `e1`. */
  greet(seq = 0, { resumed = false, epoch = "e1", ...more }: Frame = {}): void {
    const room = this.query.get("room");
    this.say({
      type: "connection",
      message: "connected",
      user_id: "u1",
      session: this.query.get("session"),
      ...(room !== null && { room, seq, epoch }),
      resumed,
      expires_at: "2030-01-01T00:00:00.000Z",
      lifetime_ms: 100_000,
      limits: { max_frame_bytes: 1_000_000, messages_per_second: 100, bytes_per_second: 1_000_000 },
      ...more,
    });
  }

  /** Answers the message with this `client_id`, by default the last one sent. */
  ack(clientId = this.sentOf("chat").at(-1)?.client_id): void {
    this.say({ type: "ack", client_id: clientId, id: `id-${clientId}`, room: "lobby", seq: 1, created_at: "" });
  }

  /** Ends the socket from the server's side. */
  drop(code = 1006, reason = ""): void {
    this.onclose?.call(this as unknown as WebSocket, { code, reason } as CloseEvent);
  }
}

/** A client whose sockets, clock and network are the test's. */
export interface FakeNet extends Disposable {
  readonly chat: Chat;
  readonly clock: ReturnType<typeof createClock>;
  /** All sockets that the client opened. */
  readonly sockets: FakeSocket[];
  /** The newest. */
  readonly socket: FakeSocket;
  /** Why each token was asked for. */
  readonly reasons: string[];
  readonly events: EventTarget;
  /** Lets so many milliseconds pass, and everything happen that is due by then. */
  pass(ms: number): Promise<unknown>;
}

/** Connects a client to the test, in room `lobby` where the options do not say otherwise. */
export async function fakeNet(options: Partial<ChatOptions> = {}): Promise<FakeNet> {
  const fake = createClock();
  const sockets: FakeSocket[] = [];
  const reasons: string[] = [];
  const events = new EventTarget();
  const clock: Clock = {
    now: () => fake.now,
    setTimeout: (action, delayMs) => fake.setTimeout(action, delayMs),
    clearTimeout: (timer) => fake.clearTimeout(timer as number),
  };
  const chat = connectChat({
    url: "http://test/chat",
    room: "lobby",
    token: (reason) => `token-${reasons.push(reason)}`,
    clock,
    random: () => 0.5,
    network: { events, isVisible: () => true },
    WebSocket: class extends FakeSocket {
      constructor(url: string) {
        super(url);
        sockets.push(this);
      }
    },
    ...options,
  });
  await fake.tickAsync(0);
  return {
    chat,
    clock: fake,
    sockets,
    get socket() {
      return sockets.at(-1)!;
    },
    reasons,
    events,
    pass: (ms) => fake.tickAsync(ms),
    [Symbol.dispose]: () => chat.close(),
  };
}

/** The frame of a message. */
export function message(seq: number, room = "lobby"): Frame {
  return { type: "new_message", message: { id: `m${seq}`, room, seq, sender: { id: "u2" }, body: `body ${seq}` } };
}

/** The frame that lets a client into a room, in epoch `e1` and not resumed where `more` does not say otherwise. */
export function enter(room: string, seq: number, more: Frame = {}): Frame {
  return { type: "joined", room, seq, epoch: "e1", resumed: false, members: [], ...more };
}
