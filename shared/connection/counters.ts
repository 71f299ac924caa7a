/** What an isolate's connections have done since its boot: shown by `/health`. */
export class Counters {
  connections_opened = 0;
  messages_in = 0;
  messages_out = 0;
  readonly #refusals = new Map<string, number>();

  /** Counts a refusal by its error code, of a request, a frame or a whole connection. */
  refused(code: string): void {
    this.#refusals.set(code, (this.#refusals.get(code) ?? 0) + 1);
  }

  toJSON(): Record<string, unknown> {
    return {
      connections_opened: this.connections_opened,
      messages_in: this.messages_in,
      messages_out: this.messages_out,
      refused: Object.fromEntries(this.#refusals),
    };
  }
}
