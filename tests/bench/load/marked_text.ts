/** Begins the text of every message that counts: no frame of any system holds it elsewhere. */
const MARK = 0x23; // #
const COLON = 0x3a;
const ZERO = 0x30;

/** What the text of a message says of itself. */
export interface Marked {
  sender: number;
  /** 0, 1, 2 … for each sender. */
  number: number;
  /** When it was sent, in microseconds of the load client's clock. */
  sentUs: number;
}

/** The text of a message: `#SENDER:NUMBER:SENT `, filled up with `x` to `length` ASCII characters. */
export function markedText({ sender, number, sentUs }: Marked, length: number): string {
  return `#${sender}:${number}:${sentUs} `.padEnd(length, "x");
}

/**
 * Calls `onMarked` for every marked text in a frame, in order, and gives how many there were: one in a plain frame, several in a batch. It
 * looks at bytes, as a load client has no time to decode all that it receives. The object is used again after the call.
 */
export function findMarked(buffer: Uint8Array, start: number, end: number, onMarked: (marked: Marked) => void): number {
  let count = 0;
  let at = buffer.indexOf(MARK, start);
  while (at !== -1 && at < end) {
    at = readNumber(buffer, at + 1, "sender");
    if (buffer[at] === COLON) at = readNumber(buffer, at + 1, "number");
    if (buffer[at] === COLON) at = readNumber(buffer, at + 1, "sentUs");
    count++;
    onMarked(found);
    at = buffer.indexOf(MARK, at);
  }
  return count;
}

const found: Marked = { sender: 0, number: 0, sentUs: 0 };

/** Reads decimal digits into a member of `found`, and gives where they end. */
function readNumber(buffer: Uint8Array, from: number, member: keyof Marked): number {
  let value = 0;
  let at = from;
  for (let digit = buffer[at]! - ZERO; digit >= 0 && digit <= 9; digit = buffer[at]! - ZERO) {
    value = value * 10 + digit;
    at++;
  }
  found[member] = value;
  return at;
}
