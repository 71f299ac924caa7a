import { memoryBus } from "../../shared/bus/memory_bus.ts";
import { type ChatOptions, connectChat } from "../../shared/client/connect_chat.ts";
import type { Chat } from "../../shared/client/chat.ts";
import type { Message } from "../../shared/protocol/chat_server_frames.ts";
import { type MemoryStore, memoryStore } from "../../shared/store/memory_store.ts";
import { eventually } from "../support/eventually.ts";
import { serveChat, type ServeChatOptions, type ServedChat } from "../support/serve_chat.ts";
import { openProxy, type Proxy } from "./proxy.ts";

/** A chat on isolates that come and go, behind one address. */
export class ChatNet implements AsyncDisposable {
  readonly store: MemoryStore = memoryStore();
  readonly proxy: Proxy = openProxy();
  readonly #bus = memoryBus();
  readonly #options: ServeChatOptions;
  readonly #clients: Chat[] = [];
  readonly #isolates: ServedChat[] = [];

  constructor(options: ServeChatOptions = {}) {
    this.#options = options;
    this.boot();
  }

  /** The isolate to which new connections go. */
  get isolate(): ServedChat {
    return this.#isolates.at(-1)!;
  }

  /** All isolates that there were. */
  get isolates(): readonly ServedChat[] {
    return this.#isolates;
  }

  /** Starts another isolate: from here on it takes new connections. */
  boot(): ServedChat {
    const isolate = serveChat({ store: this.store, bus: this.#bus, ...this.#options });
    this.#isolates.push(isolate);
    this.proxy.target = isolate.url;
    return isolate;
  }

  /** A client of user `user`; it comes back quickly. */
  client(user: number, options: Partial<ChatOptions> = {}): Chat {
    const chat = connectChat({
      url: `${this.proxy.url}/chat`,
      token: () => String(user),
      random: () => 0.05,
      ...options,
    });
    this.#clients.push(chat);
    return chat;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients) client.close();
    await this.proxy[Symbol.asyncDispose]();
    for (const isolate of this.#isolates) await isolate[Symbol.asyncDispose]();
  }
}

/** Resolves when the client is open. */
export async function opened(chat: Chat): Promise<Chat> {
  await eventually("the client is open", () => chat.status.status === "open", { everyMs: 2 });
  return chat;
}

/** Everything that a client hears of logs from here on, as `room#seq`, and the messages. */
export function record(chat: Chat): { messages: Message[]; bodies: () => string[]; seqs: (room: string) => number[] } {
  const messages: Message[] = [];
  const events: { room: string; seq: number }[] = [];
  chat.on("message", (message) => messages.push(message));
  chat.on("new_message", ({ message }) => events.push(message));
  for (const type of ["message_edited", "message_deleted", "reaction", "message_read", "member"] as const) {
    chat.on(type, (event) => events.push(event));
  }
  return {
    messages,
    bodies: () => messages.map(({ body }) => body),
    seqs: (room) => events.filter((event) => event.room === room).map(({ seq }) => seq),
  };
}
