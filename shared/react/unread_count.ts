import type { LogFrame } from "../protocol/chat_server_frames.ts";

/** So long a count is waited for that the server sends by itself, and what happens meanwhile is counted at once. */
const RECOUNT_AFTER_MS = 1_000;
/** So many messages after the last count are kept by their places; more are counted anew. */
const MAX_LATER = 1_000;

/**
 * How many messages of others are unread in one room, put together from what the server counted and from the events of
 * the log. They come on different ways, in any order: of two counts the one that reaches further holds, and only messages
 * after its end are added.
 *
 * Of a count that does not say up to where it reaches, as the total of all rooms, the last to come holds.
 */
export class UnreadCount {
  readonly #recount: () => void;
  #count: number | undefined;
  /** The end of the log when that was counted. */
  #asOf = 0;
  /** Where messages of others are after it. */
  #later: number[] = [];
  /** Where something happened of which only the server knows what it does to the count. */
  #unclearAt: number | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /**
   * `recount` asks the server, whose answer then goes to `counted`: it is called where no count comes by itself after a
   * deletion, or a receipt of another device.
   */
  constructor(recount: () => void) {
    this.#recount = recount;
  }

  /** None before the server has counted. */
  get value(): number | undefined {
    return this.#count === undefined ? undefined : this.#count + this.#later.length;
  }

  /** The server counted: `asOf` is the end of the log then. */
  counted(count: number, asOf?: number): void {
    if (asOf !== undefined && asOf < this.#asOf) return;
    this.#count = count;
    this.#asOf = asOf ?? this.#asOf;
    this.#later = asOf === undefined ? [] : this.#later.filter((seq) => seq > asOf);
    if (asOf === undefined || asOf >= (this.#unclearAt ?? 0)) this.#settle();
    else this.#recountSoon();
  }

  /** Takes an event of the log; `userId` is whose messages are counted. Events come in order. */
  apply(event: LogFrame, userId: string | undefined): void {
    const { seq } = event.type === "new_message" ? event.message : event;
    if (seq <= this.#asOf) return;
    if (isUnread(event, userId)) this.#later.push(seq);
    const isUnclear = this.#later.length > MAX_LATER || (this.value !== 0 && mayLower(event, userId));
    if (isUnclear) this.#unclearAt = seq;
    if (this.#unclearAt !== undefined) this.#recountSoon();
  }

  /** The log may be another one from here on: the count stays until the next one, wherever that reaches. */
  restart(): void {
    this.#count = this.value;
    this.#asOf = 0;
    this.#later = [];
    this.#settle();
  }

  /** Asks for nothing any more, until something comes again. */
  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #settle(): void {
    this.#unclearAt = undefined;
    this.close();
  }

  /** Once for all that happens in a while. */
  #recountSoon(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#recount();
    }, RECOUNT_AFTER_MS);
  }
}

/** Whether this is one more unread message. Of one that was deleted comes what is left of it. */
function isUnread(event: LogFrame, userId: string | undefined): boolean {
  return event.type === "new_message" && event.message.sender.id !== userId && event.message.deleted_at === undefined;
}

/** Whether less may be unread after this. */
function mayLower(event: LogFrame, userId: string | undefined): boolean {
  if (event.type === "message_deleted") return true;
  return (event.type === "message_read" || event.type === "member") && event.user_id === userId;
}
