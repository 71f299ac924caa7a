/** A stored message, as the database has it. */
export interface StoredMessage {
  readonly id: string;
  readonly seq: number;
}

/**
 * What one client was given of a room's log, held against the log itself. Every event has the next `seq`: one that was
 * jumped over is lost until it comes, then out of order; one that comes again is doubled.
 */
export class Tally {
  #last: number | undefined;
  readonly #missing = new Set<number>();
  /** The messages that came and were not yet compared with the database, by id. */
  readonly #came = new Map<string, number>();
  #doubled = 0;
  #reordered = 0;
  #unknown = 0;

  /** How far this client has come; undefined before it is in the room. */
  get last(): number | undefined {
    return this.#last;
  }

  /** Events that never came, and messages of the database that came as nothing. */
  get lost(): number {
    return this.#missing.size + this.#unknown;
  }

  get doubled(): number {
    return this.#doubled;
  }

  get reordered(): number {
    return this.#reordered;
  }

  /** The client is in the room: it hears what comes after `seq`. Later beginnings count for nothing. */
  begin(seq: number): void {
    this.#last ??= seq;
  }

  /** An event came; `messageId` names the message that it brought. */
  heard(seq: number, messageId?: string): void {
    if (this.#last === undefined) return;
    if (messageId !== undefined) this.#came.set(messageId, seq);
    for (let missed = this.#last + 1; missed < seq; missed++) this.#missing.add(missed);
    if (seq > this.#last) this.#last = seq;
    else if (this.#missing.delete(seq)) this.#reordered++;
    else this.#doubled++;
  }

  /** Compares with what the database has up to a `seq` that this client has passed: each message must have come as what it is. */
  compare(stored: readonly StoredMessage[]): void {
    for (const { id, seq } of stored) {
      if (this.#came.get(id) !== seq && !this.#missing.has(seq)) this.#unknown++;
      this.#came.delete(id);
    }
  }
}
