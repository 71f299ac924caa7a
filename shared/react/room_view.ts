import type { AckFrame, LogFrame, PresentMember } from "../protocol/chat_server_frames.ts";
import {
  type Chat,
  ChatError,
  type ChatEvents,
  type ChatStatus,
  type MessageOptions,
  type OutgoingFrame,
} from "../client/mod.ts";
import { mayBeIgnored } from "../client/may_be_ignored.ts";
import { randomId } from "../client/random_id.ts";
import { MessageLog, type ShownMessage } from "./message_log.ts";
import { UnreadCount } from "./unread_count.ts";

/** What a view of a room shows at one moment. It never changes: what is new is another one. */
export interface RoomState {
  /** Oldest first; last what was sent here and is not stored yet, or was refused. */
  readonly messages: readonly ShownMessage[];
  /** Whether there are older messages than these: see `loadOlder`. */
  readonly hasOlder: boolean;
  /** Whether messages are on their way here: the newest ones, or older ones. */
  readonly isLoading: boolean;
  /** Who is in the room now: all, or where they were more than 500 as this connection came, those it heard of. */
  readonly present: readonly PresentMember[];
  /** How many more are there than `present` names. */
  readonly presentLeftOut: number;
  /** Who of the others writes at the moment. */
  readonly typing: readonly { readonly user_id: string; readonly name?: string }[];
  /** How many messages of others are unread; none known before the server has said so. */
  readonly unreadCount: number | undefined;
  /** Why the room cannot be shown: it does not exist, is for members only, or the chat has ended. */
  readonly error: ChatError | undefined;
}

/** How a view works. */
export interface RoomViewOptions {
  /** Messages of one page of history; default 50, at most 200. */
  readonly pageSize?: number;
  /** Beyond so many messages the oldest go as new ones come; default 1,000. What `loadOlder` has read stays. */
  readonly maxMessages?: number;
}

/** A message to send into the room that is seen. */
export interface RoomMessage extends MessageOptions {
  /** The text. */
  readonly body: string;
  /** The id of the message that this one answers. */
  readonly reply_to?: string;
}

/** Who types is believed to go on for so long. */
const TYPING_LASTS_MS = 3_500;
/** That the user types is told no more often than this. */
const TYPING_EVERY_MS = 2_000;

/** How often the total is counted where new messages keep coming: then it may be wrong until the next one. */
const MAX_COUNTS = 3;

const LOG_EVENTS = [
  "new_message",
  "message_edited",
  "message_deleted",
  "reaction",
  "message_read",
  "member",
] as const satisfies readonly LogFrame["type"][];

/**
 * What there is to see of one room over a chat, kept up to date while it is open; of all rooms that the chat hears of,
 * in the order of coming and without history, where no room is named. It is a store as `useSyncExternalStore` wants one, and
 * knows nothing of React.
 *
 * Each message is in `messages` once: what is sent from here shows at once, and becomes the stored message when its `ack`
 * or the message itself comes, whichever is first. What is refused stays as `failed` until it is retried or discarded.
 */
export class RoomView {
  /** The room that is shown. */
  readonly room: string | undefined;
  readonly #chat: Chat;
  readonly #pageSize: number;
  readonly #maxMessages: number | undefined;
  #log: MessageLog;
  readonly #listeners = new Set<() => void>();
  readonly #present = new Map<string, PresentMember>();
  #presentLeftOut = 0;
  readonly #typing = new Map<string, { name?: string; timer: ReturnType<typeof setTimeout> }>();
  /** Events since a page was asked for, which may be older or newer than them; none while no page is. */
  #meanwhile: LogFrame[] | undefined;
  #loading: Promise<void> | undefined;
  #hasOlder = false;
  readonly #unread = new UnreadCount(() => void this.getUnreadCount());
  /** Messages of others that came while the total was asked for. */
  #cameMeanwhile = 0;
  #error: ChatError | undefined;
  #typedAt = -Infinity;
  #state: RoomState | undefined;
  #isTelling = false;
  /** Counts how often it was opened or began anew: what was asked before that is of no interest. */
  #turn = 0;

  /** Does nothing yet: see `open`. */
  constructor(chat: Chat, room?: string, { pageSize = 50, maxMessages }: RoomViewOptions = {}) {
    this.room = room;
    this.#chat = chat;
    this.#pageSize = pageSize;
    this.#maxMessages = maxMessages;
    this.#log = new MessageLog(maxMessages);
  }

  /** What there is to see. The same object until something changes. */
  readonly state = (): RoomState => this.#state ??= this.#makeState();

  /** Calls `listener` after each change, at most once a turn of the event loop. Gives the function that ends this. */
  readonly subscribe = (listener: () => void): () => void => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Begins to follow the room, and joins it where the chat is not in it. Gives the function that ends this; then it may be opened again. */
  readonly open = (): () => void => {
    const chat = this.#chat;
    const stops = [
      ...LOG_EVENTS.map((name) => chat.on(name, (event: LogFrame) => this.#happened(event))),
      chat.on("presence", (frame) => this.#isHere(frame) && this.#presenceChanged(frame)),
      // Where it names nobody, a presence follows.
      chat.on("joined", ({ room, members: state }) => room === this.room && state && this.#presenceChanged({ state })),
      chat.on("typing", (frame) => this.#isHere(frame) && this.#types(frame)),
      chat.on("unread_count", (frame) => frame.room === this.room && this.#counted(frame)),
      chat.on("sent", ({ frame, ack }) => this.#settled(frame, ack)),
      chat.on("refused", ({ frame, error }) => this.#settled(frame, error)),
      chat.on("resync", ({ room }) => room === this.room && this.#begin()),
      chat.on("connection", ({ user_id }) => this.#isUser(user_id)),
      chat.on("status", (status) => this.#statusChanged(status)),
    ];
    this.#log = new MessageLog(this.#maxMessages);
    this.#log.userId = chat.userId ?? "";
    this.#present.clear();
    this.#presentLeftOut = 0;
    for (const frame of chat.pending) if (this.#isOurs(frame)) this.#log.sending(frame, new Date().toISOString());
    this.#begin();
    return () => {
      this.#turn++;
      for (const stop of stops) stop();
      for (const { timer } of this.#typing.values()) clearTimeout(timer);
      this.#typing.clear();
      this.#unread.close();
    };
  };

  /** Sends a message, which shows at once. Rejects as `Chat.send` does; what then shows in the list as well may be left alone. */
  readonly send = (message: RoomMessage | string): Promise<AckFrame> => {
    const { client_id = randomId(), ...rest } = typeof message === "string" ? { body: message } : message;
    const { room } = this;
    return this.#post({ type: "chat", client_id, ...(room !== undefined && { room }), ...rest });
  };

  /** Sends a direct message to a user. It shows here only where the view is one of all rooms. */
  readonly dm = (to: string, message: Omit<RoomMessage, "reply_to"> | string): Promise<AckFrame> => {
    const { client_id = randomId(), ...rest } = typeof message === "string" ? { body: message } : message;
    return this.#post({ type: "dm", to, client_id, ...rest });
  };

  /** Sends what was refused again, under its own `client_id`: should it be stored all the same, it is not stored twice. */
  readonly retry = (key: string): Promise<AckFrame> => {
    const frame = this.#log.failed(key);
    if (frame !== undefined) return this.#post(frame);
    return mayBeIgnored(
      Promise.reject(new ChatError("bad_request", `Cannot retry as no message "${key}" was refused`)),
    );
  };

  /** Takes what was refused out of the list. */
  readonly discard = (key: string): void => {
    this.#log.discard(key);
    this.#changed();
  };

  /** Tells the others that the user writes, as often as is needed: call it at each key. */
  readonly notifyTyping = (): void => {
    const now = Date.now();
    if (now - this.#typedAt < TYPING_EVERY_MS || !this.#chat.typing(this.room)) return;
    this.#typedAt = now;
  };

  /** Marks a message of the room and all before it as read; the newest one where none is named. */
  readonly markAsRead = (messageId?: string): Promise<void> => {
    const id = messageId ?? this.state().messages.findLast(({ state }) => state === "stored")?.id;
    return mayBeIgnored(id === undefined ? Promise.resolve() : this.#chat.markRead(id).then(() => {}));
  };

  /** Asks how many messages are unread. */
  readonly getUnreadCount = (): Promise<number> => mayBeIgnored(this.#askUnread());

  /** Reads one page of older messages; does nothing while messages are loading, or where there are none. */
  readonly loadOlder = (): Promise<void> => {
    if (this.#loading !== undefined || this.room === undefined || !this.state().hasOlder) {
      return this.#loading ?? Promise.resolve();
    }
    return this.#load(this.#log.oldestSeq);
  };

  #isHere({ room }: { room: string }): boolean {
    return this.room === undefined || this.room === room;
  }

  #isOurs(frame: OutgoingFrame): boolean {
    return this.room === undefined || (frame.type === "chat" && frame.room === this.room);
  }

  #post(frame: OutgoingFrame): Promise<AckFrame> {
    const isShown = this.#isOurs(frame);
    if (isShown) {
      this.#log.sending(frame, new Date().toISOString());
      this.#changed();
    }
    const { type: _, ...message } = frame;
    const sent = "to" in message
      ? this.#chat.dm({ ...message, body: message.body! })
      : this.#chat.send({ ...message, body: message.body! });
    if (isShown) {
      // What the chat itself refuses, as its outbox is full or it has ended, it tells of by its promise alone.
      sent.catch((error: ChatError) => this.#log.refused(frame.client_id, error) && this.#changed());
    }
    return mayBeIgnored(sent);
  }

  #settled({ client_id }: OutgoingFrame, result: AckFrame | ChatError): void {
    const isOurs = result instanceof ChatError ? this.#log.refused(client_id, result) : this.#log.acknowledged(result);
    if (isOurs) this.#changed();
  }

  /** Shows the room anew: its newest page, and what comes from here on. */
  #begin(): void {
    const turn = ++this.#turn;
    this.#meanwhile = this.#loading = this.#error = undefined;
    this.#log.clear();
    this.#unread.restart();
    this.#changed();
    this.#enter().catch((error) => turn === this.#turn && this.#failed(error));
  }

  async #enter(): Promise<void> {
    const turn = this.#turn;
    const { room } = this;
    const comesWithConnection = room === this.#chat.room && this.#chat.status.status === "connecting";
    if (room !== undefined && !comesWithConnection) await this.#chat.join(room);
    if (turn !== this.#turn) return;
    await Promise.all([room !== undefined && this.#load(), this.#askUnread()]);
  }

  #failed(error: ChatError | undefined): void {
    this.#error = error;
    this.#changed();
  }

  #statusChanged(status: ChatStatus): void {
    if (status.status === "closed") this.#failed(status.error);
    // What could not be read while there was no connection can be now.
    if (status.status === "open" && this.#error?.isRetryable) this.#begin();
  }

  #isUser(userId: string): void {
    this.#log.userId = userId;
    this.#changed();
  }

  /** Reads a page: the newest, or the one before `before`. Events that come meanwhile count after it. */
  #load(before?: number): Promise<void> {
    const turn = this.#turn;
    const events: LogFrame[] = this.#meanwhile = [];
    const loaded = () => {
      this.#meanwhile = this.#loading = undefined;
      this.#changed();
    };
    // Nobody sees the page while it still loads: whoever waits for it may ask for the next at once.
    const loading = this.#chat.history({ room: this.room!, before, limit: this.#pageSize }).then(
      ({ messages, more }) => {
        if (turn !== this.#turn) return;
        this.#log.prepend(messages);
        for (const event of events) this.#log.apply(event);
        this.#hasOlder = more;
        loaded();
      },
      (error) => {
        if (turn === this.#turn) loaded();
        throw error;
      },
    );
    this.#loading = loading;
    this.#changed();
    return mayBeIgnored(loading);
  }

  /** The answer is heard as `unread_count`, as every count is. */
  async #askUnread(): Promise<number> {
    for (let tries = 1;; tries++) {
      this.#cameMeanwhile = 0;
      const count = await this.#chat.unreadCount(this.room);
      // Whether a message that came meanwhile is in a total nobody knows.
      if (this.room !== undefined || this.#cameMeanwhile === 0 || tries === MAX_COUNTS) return count;
    }
  }

  #counted({ count, as_of }: ChatEvents["unread_count"]): void {
    this.#unread.counted(count, as_of);
    this.#changed();
  }

  #happened(event: LogFrame): void {
    const { room } = event.type === "new_message" ? event.message : event;
    if (!this.#isHere({ room })) return;
    this.#meanwhile?.push(event);
    this.#log.apply(event);
    this.#unread.apply(event, this.#chat.userId);
    if (event.type === "new_message") this.#came(event.message.sender.id);
    this.#changed();
  }

  #came(senderId: string): void {
    this.#stopsTyping(senderId);
    if (senderId !== this.#chat.userId) this.#cameMeanwhile++;
  }

  #presenceChanged({ state, members_left_out = 0, joined = [], left = [] }: Partial<ChatEvents["presence"]>): void {
    if (this.room === undefined) return;
    if (state !== undefined) {
      this.#present.clear();
      this.#presentLeftOut = members_left_out;
    }
    for (const member of [...state ?? [], ...joined]) this.#present.set(member.user_id, member);
    for (const { user_id } of left) {
      // Who was not named is one of those who were left out.
      if (!this.#present.delete(user_id) && this.#presentLeftOut > 0) this.#presentLeftOut--;
      this.#stopsTyping(user_id);
    }
    this.#changed();
  }

  #types({ user_id, name }: ChatEvents["typing"]): void {
    if (user_id === this.#chat.userId) return;
    clearTimeout(this.#typing.get(user_id)?.timer);
    const timer = setTimeout(() => this.#stopsTyping(user_id), TYPING_LASTS_MS);
    this.#typing.set(user_id, { ...(name !== undefined && { name }), timer });
    this.#changed();
  }

  #stopsTyping(userId: string): void {
    clearTimeout(this.#typing.get(userId)?.timer);
    if (this.#typing.delete(userId)) this.#changed();
  }

  /** The state is another one. Listeners hear of it once for all that changes in this turn. */
  #changed(): void {
    this.#state = undefined;
    if (this.#isTelling) return;
    this.#isTelling = true;
    queueMicrotask(() => {
      this.#isTelling = false;
      for (const listener of [...this.#listeners]) listener();
    });
  }

  #makeState(): RoomState {
    return {
      messages: this.#log.list(),
      hasOlder: this.room !== undefined && (this.#hasOlder || this.#log.isCut),
      isLoading: this.#loading !== undefined,
      present: [...this.#present.values()],
      presentLeftOut: this.#presentLeftOut,
      typing: [...this.#typing].map(([user_id, { name }]) => ({ user_id, ...(name !== undefined && { name }) })),
      unreadCount: this.#unread.value,
      error: this.#error,
    };
  }
}
