import type { InFlight, ProcessMessage, Returned } from "./process.ts";

interface Entry extends Returned {
  readonly inFlight: InFlight | undefined;
}

/** A first-in, first-out queue of messages with a bound on their number and on their bytes. */
export class Mailbox {
  readonly #maxMessages: number;
  readonly #maxBytes: number;
  #entries: (Entry | undefined)[] = [];
  /** Taken entries stay in the array until half of it is taken: shifting each out would cost the square. */
  #taken = 0;
  #bytes = 0;

  constructor(maxMessages: number, maxBytes: number) {
    this.#maxMessages = maxMessages;
    this.#maxBytes = maxBytes;
  }

  get isEmpty(): boolean {
    return this.#taken === this.#entries.length;
  }

  /** Whether there was room. An empty mailbox takes a message of any size, as it could never be taken otherwise. */
  put(topic: string, payload: unknown, bytes: number, inFlight: InFlight | undefined): boolean {
    const waiting = this.#entries.length - this.#taken;
    if (waiting >= this.#maxMessages || (waiting > 0 && this.#bytes + bytes > this.#maxBytes)) return false;
    this.putAnyway(topic, payload, bytes, inFlight);
    return true;
  }

  /** Puts in a message that must not be dropped, past the bounds. */
  putAnyway(topic: string, payload: unknown, bytes: number, inFlight: InFlight | undefined): void {
    this.#entries.push({ topic, payload, bytes, inFlight });
    this.#bytes += bytes;
    if (inFlight !== undefined) {
      inFlight.messages++;
      inFlight.bytes += bytes;
    }
  }

  /** Takes out the first message. */
  take(): ProcessMessage | undefined {
    if (this.isEmpty) return undefined;
    const entry = this.#entries[this.#taken]!;
    this.#entries[this.#taken++] = undefined;
    this.#release(entry);
    if (this.isEmpty) {
      this.#entries = [];
      this.#taken = 0;
    } else if (this.#taken > 1024 && this.#taken * 2 > this.#entries.length) {
      this.#entries = this.#entries.slice(this.#taken);
      this.#taken = 0;
    }
    return entry;
  }

  /** Takes out what `inFlight` is charged for, in order; everything else stays. */
  takeBack(inFlight: InFlight): Returned[] {
    const waiting = this.#entries.slice(this.#taken) as Entry[];
    const returned = waiting.filter((entry) => entry.inFlight === inFlight);
    if (returned.length === 0) return returned;
    this.#entries = waiting.filter((entry) => entry.inFlight !== inFlight);
    this.#taken = 0;
    for (const entry of returned) this.#release(entry);
    return returned;
  }

  clear(): void {
    while (this.take() !== undefined);
  }

  #release(entry: Entry): void {
    this.#bytes -= entry.bytes;
    if (entry.inFlight === undefined) return;
    entry.inFlight.messages--;
    entry.inFlight.bytes -= entry.bytes;
  }
}
