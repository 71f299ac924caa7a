/**
 * Holds one member's deliveries to what a bench may count: of each sender every message, in the order of sending, once.
 * A doubled, lost or overtaken message throws at the first delivery that shows it.
 */
export class DeliveryCheck {
  readonly #member: string;
  readonly #next: number[];
  #order = 0;

  constructor(member: string, senders: number) {
    this.#member = member;
    this.#next = new Array(senders).fill(0);
  }

  /** Names the order of all deliveries so far: equal for two members who got the same in the same order. */
  get order(): number {
    return this.#order;
  }

  /** How many messages of a sender were delivered. */
  delivered(sender: number): number {
    return this.#next[sender]!;
  }

  take(sender: number, number: number): void {
    const expected = this.#next[sender];
    if (number !== expected) {
      throw new Error(`${this.#member}: message ${number} of sender ${sender} came where ${expected} was due`);
    }
    this.#next[sender] = expected + 1;
    this.#order = (Math.imul(this.#order, 31) + sender * 7_919 + number) | 0;
  }
}
