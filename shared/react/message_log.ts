import type { AckFrame, LogFrame, Message } from "../protocol/chat_server_frames.ts";
import type { ChatError, OutgoingFrame } from "../client/mod.ts";

/** A message as a list shows it: one of the log, or one that is on its way there. */
export interface ShownMessage extends Omit<Message, "seq"> {
  /** The same from the first try to the end, so that an element which shows it stays. */
  readonly key: string;
  /** Where it is in the room's log; none before it is stored. */
  readonly seq?: number;
  /** Whether the user wrote it. */
  readonly isOwn: boolean;
  /** `sending`: it has no `ack` yet. `failed`: it was refused for `error`, and waits to be retried or discarded. */
  readonly state: "sending" | "failed" | "stored";
  /** Why it was refused. */
  readonly error?: ChatError;
  /** Who has read up to this message and no further, as far as this client has heard. The user himself is left out. */
  readonly readers: readonly string[];
}

/** A message that was sent here and has not come back from the log. */
interface Sent {
  readonly frame: OutgoingFrame;
  readonly at: string;
  ack?: AckFrame;
  error?: ChatError;
}

/** How far someone has read: up to the message `id` at `seq`. */
interface Read {
  readonly user: string;
  readonly seq: number;
  readonly id: string;
}

/** How many messages are kept where the application says nothing. */
export const KEPT_MESSAGES = 1_000;

/**
 * The messages of one room, or of several in the order in which they came: pages of history and events of the log put
 * together, with what was sent here behind them until it comes back. Each message is there once, whichever comes first:
 * its event, its `ack` or a page with it. Events may be applied again.
 */
export class MessageLog {
  /** By id, in the order of the list. */
  #messages = new Map<string, Message>();
  /** By `client_id`, in the order of sending. */
  readonly #sent = new Map<string, Sent>();
  /** The newest message that each user has read in each room. */
  readonly #reads = new Map<string, Read>();
  /** As they are shown: what has not changed stays the same object, so that nothing is rendered for it. */
  #shown = new WeakMap<Message, ShownMessage>();
  #kept: number;
  #isCut = false;
  #userId = "";

  /** Beyond `kept` messages, or as many as history was read for, the oldest go when new ones come. */
  constructor(kept = KEPT_MESSAGES) {
    this.#kept = kept;
  }

  /** Who the user is: his messages are his own. */
  set userId(userId: string) {
    if (userId !== this.#userId) this.#shown = new WeakMap();
    this.#userId = userId;
  }

  /** Whether there were older messages here, which are gone. */
  get isCut(): boolean {
    return this.#isCut;
  }

  /** The place of the oldest message that is here. */
  get oldestSeq(): number | undefined {
    return this.#messages.values().next().value?.seq;
  }

  /** What the list shows, oldest first. */
  list(): readonly ShownMessage[] {
    const readers = Map.groupBy(this.#reads.values(), ({ id }) => id);
    const stored = [...this.#messages.values()].map((message) => this.#showStored(message, readers.get(message.id)));
    return [...stored, ...[...this.#sent.values()].map((sent) => this.#showSent(sent))];
  }

  /** Takes an event of the log. */
  apply(event: LogFrame): void {
    switch (event.type) {
      case "new_message":
        this.#dropCopy(event.message);
        this.#messages.set(event.message.id, event.message);
        return this.#cut();
      case "message_edited":
        return this.#change(event.message_id, (message) =>
          // A page that was read after this event may say that it is gone.
          message.deleted_at !== undefined
            ? message
            : { ...message, body: event.body, edited_at: event.edited_at, updated_at: event.edited_at });
      case "message_deleted":
        return this.#change(event.message_id, ({ data: _, ...message }) => ({
          ...message,
          body: "",
          deleted_at: event.deleted_at,
          updated_at: event.deleted_at,
        }));
      case "reaction":
        return this.#change(event.message_id, (message) => ({ ...message, reactions: react(message, event) }));
      case "message_read":
        return this.#read(event);
      case "member":
        if (event.change === "removed") this.#reads.delete(`${event.room} ${event.user_id}`);
    }
  }

  /**
   * Takes a page of history of a room, oldest first, in front of what is here; what came while it was asked for may reach
   * further back than it does. What both have is shown as the page has it.
   */
  prepend(page: readonly Message[]): void {
    for (const message of page) this.#dropCopy(message);
    const added = new Map(page.map((message) => [message.id, message]));
    const others = [...this.#messages].filter(([id]) => !added.has(id));
    const { before = [], after = [] } = Object.groupBy(
      others,
      ([, { seq }]) => page.length > 0 && seq < page[0]!.seq ? "before" : "after",
    );
    this.#messages = new Map([...before, ...added, ...after]);
    this.#kept = Math.max(this.#kept, this.#messages.size);
    this.#isCut = false;
  }

  /** Forgets what the log showed; what was sent here stays. */
  clear(): void {
    this.#messages.clear();
    this.#reads.clear();
  }

  /** A message is on its way; once more, where it was refused. */
  sending(frame: OutgoingFrame, at: string): void {
    const known = this.#sent.get(frame.client_id);
    this.#sent.set(frame.client_id, { frame, at: known?.at ?? at });
  }

  /** It has its `ack`. Gives whether it was one of these. */
  acknowledged(ack: AckFrame): boolean {
    const sent = this.#sent.get(ack.client_id ?? "");
    if (sent === undefined) return false;
    if (this.#messages.has(ack.id)) this.#sent.delete(sent.frame.client_id);
    else sent.ack = ack;
    return true;
  }

  /** It was refused. Gives whether it was one of these. */
  refused(clientId: string, error: ChatError): boolean {
    const sent = this.#sent.get(clientId);
    if (sent === undefined || sent.ack !== undefined) return false;
    sent.error = error;
    return true;
  }

  /** What was refused as `clientId`. */
  failed(clientId: string): OutgoingFrame | undefined {
    const sent = this.#sent.get(clientId);
    return sent?.error && sent.frame;
  }

  /** Forgets a message that was refused. */
  discard(clientId: string): void {
    if (this.failed(clientId) !== undefined) this.#sent.delete(clientId);
  }

  #showStored(message: Message, reads: readonly Read[] = []): ShownMessage {
    const readers = reads.map(({ user }) => user).filter((user) => user !== this.#userId);
    const known = this.#shown.get(message);
    if (known?.readers.join() === readers.join()) return known!;
    const isOwn = message.sender.id === this.#userId;
    const key = isOwn && message.client_id !== undefined ? message.client_id : message.id;
    const shown: ShownMessage = { ...message, key, isOwn, state: "stored", readers };
    this.#shown.set(message, shown);
    return shown;
  }

  #showSent({ frame, at, ack, error }: Sent): ShownMessage {
    const { type, body = "", client_id, subject, data } = frame;
    return {
      key: client_id,
      id: ack?.id ?? client_id,
      room: ack?.room ?? (type === "chat" ? frame.room ?? "" : ""),
      ...(ack && { seq: ack.seq }),
      sender: { id: this.#userId },
      ...(type === "dm" && { recipient: frame.to }),
      ...(type === "chat" && frame.reply_to !== undefined && { reply_to: frame.reply_to }),
      ...(subject !== undefined && { subject }),
      ...(data !== undefined && { data }),
      body,
      client_id,
      is_read: false,
      read_at: null,
      created_at: ack?.created_at ?? at,
      updated_at: ack?.created_at ?? at,
      isOwn: true,
      state: ack !== undefined ? "stored" : error !== undefined ? "failed" : "sending",
      ...(error !== undefined && { error }),
      readers: [],
    };
  }

  /** What was sent here has come back. */
  #dropCopy({ id, client_id = "", sender }: Message): void {
    const sent = this.#sent.get(client_id);
    if (sent !== undefined && (sent.ack?.id === id || sender.id === this.#userId)) this.#sent.delete(client_id);
  }

  #change(id: string, change: (message: Message) => Message): void {
    const message = this.#messages.get(id);
    if (message !== undefined) this.#messages.set(id, change(message));
  }

  #read({ room, user_id: user, message_id: id, read_at }: LogFrame & { type: "message_read" }): void {
    const place = `${room} ${user}`;
    const read = this.#messages.get(id);
    if (read === undefined || (this.#reads.get(place)?.seq ?? -1) > read.seq) return;
    this.#reads.set(place, { user, seq: read.seq, id });
    const isSelf = user === this.#userId;
    for (const [key, message] of this.#messages) {
      const isOwn = message.sender.id === this.#userId;
      if (message.room !== room || message.seq > read.seq || message.is_read || isOwn === isSelf) continue;
      this.#messages.set(key, { ...message, is_read: true, read_at });
    }
  }

  #cut(): void {
    for (const id of this.#messages.keys()) {
      if (this.#messages.size <= this.#kept) return;
      this.#messages.delete(id);
      this.#isCut = true;
    }
  }
}

/** The reactions of a message after one more event. */
function react(
  { reactions = {} }: Message,
  { emoji, user_id, removed }: LogFrame & { type: "reaction" },
): NonNullable<Message["reactions"]> {
  const { [emoji]: users = [], ...others } = reactions;
  const left = users.filter((user) => user !== user_id);
  const now = removed ? left : users.includes(user_id) ? users : [...users, user_id];
  // A record keeps the order of its keys: an emoji stays where it is on the message.
  return now.length === 0 ? others : { ...reactions, [emoji]: now };
}
