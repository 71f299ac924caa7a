import type { AckFrame, Message } from "../protocol/chat_server_frames.ts";
import { ChatError } from "./chat_error.ts";
import type { ChatEvents } from "./chat_events.ts";
import type { ChatStatus } from "./link_keeper.ts";
import { mayBeIgnored } from "./may_be_ignored.ts";
import type { OutgoingFrame } from "./outbox_storage.ts";
import { Transport, type TransportSettings } from "./transport.ts";

/** What a message holds beside its text. */
export interface MessageOptions {
  /** A line above the text, up to 256 characters. */
  readonly subject?: string;
  /** Anything of the application's own. */
  readonly data?: Message["data"];
  /** Names the message: sent twice with the same id, also much later, it is one message. Made where left out. */
  readonly client_id?: string;
}

/** A message for a room; without `room` for that of the connection. */
export interface OutgoingMessage extends MessageOptions {
  /** The text. */
  readonly body: string;
  /** Where to; default the client's own room. */
  readonly room?: string;
  /** The id of the message that this one answers. */
  readonly reply_to?: string;
}

/** A message for one user. */
export interface OutgoingDirectMessage extends MessageOptions {
  /** The id of the user. */
  readonly to: string;
  /** The text. */
  readonly body: string;
}

/** A chat as its application uses it: see `connectChat`. */
export class Chat implements Disposable {
  readonly #transport: Transport;
  readonly #room: string | undefined;
  readonly #newId: () => string;

  /** Use `connectChat`. */
  constructor(settings: TransportSettings, newId: () => string) {
    this.#room = settings.room;
    this.#newId = newId;
    this.#transport = new Transport(settings);
  }

  /** Names this client over its connections. */
  get session(): string {
    return this.#transport.session;
  }

  /** The room of the connection; the inbox has none. */
  get room(): string | undefined {
    return this.#room;
  }

  /** Where the client is: see `ChatStatus`. */
  get status(): ChatStatus {
    return this.#transport.status;
  }

  /** Who the server says that this is, once it has said so. */
  get userId(): string | undefined {
    return this.#transport.userId;
  }

  /** The messages that have no `ack` yet, in order. */
  get pending(): readonly OutgoingFrame[] {
    return this.#transport.pending;
  }

  /** Calls `listener` for each event of that name: see `ChatEvents`. Gives the function that ends this. */
  on<T extends keyof ChatEvents>(name: T, listener: (event: ChatEvents[T]) => void): () => void {
    return this.#transport.on(name, listener);
  }

  /**
   * The events of one name from now on, for `for await`; ends with the client. What is not read waits in memory: cancel
   * what is not wanted any more.
   */
  stream<T extends keyof ChatEvents>(name: T): ReadableStream<ChatEvents[T]> {
    const stops: (() => void)[] = [];
    const stop = () => stops.forEach((stop) => stop());
    return new ReadableStream({
      start: (controller) => {
        if (this.status.status === "closed") return controller.close();
        stops.push(this.on(name, (event) => controller.enqueue(event)));
        stops.push(this.on("status", ({ status }) => {
          if (status !== "closed") return;
          stop();
          controller.close();
        }));
      },
      cancel: stop,
    });
  }

  /**
   * Sends a message, at once or when there is a connection. Resolves once it is stored: then it is lost no more. Until then
   * it is sent again after every loss, in order, and kept in the storage. Rejects with a `ChatError` where it is refused
   * for good, where the outbox is full, and (`closed`, or what ended it) with the client; then it stays in the storage.
   */
  send({ body, room = this.#room, ...options }: OutgoingMessage): Promise<AckFrame> {
    if (room === undefined) {
      return Promise.reject(
        new ChatError("bad_request", "Cannot send as 'room' is missing: the inbox has none of its own"),
      );
    }
    return this.#transport.post({ type: "chat", body, room, client_id: this.#newId(), ...options });
  }

  /** Sends a message to one user, with the promises of `send`. */
  dm({ to, body, ...options }: OutgoingDirectMessage): Promise<AckFrame> {
    return this.#transport.post({ type: "dm", to, body, client_id: this.#newId(), ...options });
  }

  /** Changes the text of an own message. */
  edit(messageId: string, body: string): Promise<AckFrame> {
    return this.#transport.ask({ type: "edit", message_id: messageId, body }) as Promise<AckFrame>;
  }

  /** Deletes a message. */
  delete(messageId: string): Promise<AckFrame> {
    return this.#transport.ask({ type: "delete", message_id: messageId }) as Promise<AckFrame>;
  }

  /** Puts an emoji on a message, or with `remove` takes it away. */
  react(messageId: string, emoji: string, { remove = false } = {}): Promise<AckFrame> {
    return this.#transport.ask({ type: "react", message_id: messageId, emoji, remove }) as Promise<AckFrame>;
  }

  /** Marks this message and all before it as read. */
  markRead(messageId: string): Promise<AckFrame> {
    return this.#transport.ask({ type: "mark_read", message_id: messageId }) as Promise<AckFrame>;
  }

  /** A page of messages, oldest first: those before `seq` number `before`, or the newest. */
  history(
    { room = this.#room, before, limit }: { room?: string; before?: number; limit?: number } = {},
  ): Promise<ChatEvents["history"]> {
    return this.#transport.ask({ type: "history", room, before, limit }) as Promise<ChatEvents["history"]>;
  }

  /** How many messages are unread, in one room or in all. */
  unreadCount(room?: string): Promise<number> {
    const answer = this.#transport.ask({ type: "get_unread_count", room }) as Promise<ChatEvents["unread_count"]>;
    return mayBeIgnored(answer.then(({ count }) => count));
  }

  /** Joins another room beside that of the connection, also on every later connection; an inbox is seen in it from then on. */
  join(room: string): Promise<ChatEvents["joined"]> {
    return this.#transport.join(room) as Promise<ChatEvents["joined"]>;
  }

  /** Hears no more of a room from now on, also on every later connection, until it is joined. The user stays a member. */
  leave(room: string): Promise<ChatEvents["left"]> {
    return this.#transport.leave(room) as Promise<ChatEvents["left"]>;
  }

  /** Tells the others that someone writes. Dropped where there is no connection; gives whether it was not. */
  typing(room?: string): boolean {
    return this.#transport.transmit({ type: "typing", room }) !== undefined;
  }

  /** Tells the others, or one of them, something that is not stored. Dropped where there is no connection; gives whether it was not. */
  signal(data: Message["data"], { room, to }: { room?: string; to?: string } = {}): boolean {
    return this.#transport.transmit({ type: "signal", data: data ?? null, room, to }) !== undefined;
  }

  /** Tries to connect at once, where it waits to; else makes sure that the connection lives. Done by itself when the network is back. */
  wake(): void {
    this.#transport.wake();
  }

  /** Goes on with a fresh token. Done by itself before the token expires, where `token` is a function. */
  refresh(): Promise<ChatEvents["refreshed"]> {
    return this.#transport.refresh() as Promise<ChatEvents["refreshed"]>;
  }

  /**
   * Ends the client: its sockets, timers and listeners. Promises that wait reject with `closed`; messages without an
   * `ack` stay in the storage, from which the next client sends them. May be called twice.
   */
  close(): void {
    this.#transport.close();
  }

  /** The same as `close`, for `using`. */
  [Symbol.dispose](): void {
    this.close();
  }
}
