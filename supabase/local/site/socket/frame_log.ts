/** One frame, as the log shows it. */
export interface LoggedFrame {
  readonly number: number;
  readonly direction: "in" | "out";
  readonly at: Date;
  readonly text: string;
}

const MOST_FRAMES = 200;
const MOST_CHARACTERS = 600;
/** Three parts of base64url, the first of which begins a JSON object: a token, wherever it stands. */
const TOKEN = /eyJ[\w-]+\.[\w-]*\.[\w-]*/g;

/** The frames of one function's sockets for those who want to see them, newest first; the last 200, tokens left out. */
export class FrameLog {
  readonly #listeners = new Set<() => void>();
  #frames: readonly LoggedFrame[] = [];
  #total = 0;
  #isTelling = false;

  readonly frames = (): readonly LoggedFrame[] => this.#frames;

  readonly subscribe = (listener: () => void): () => void => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  readonly add = (direction: "in" | "out", data: unknown): void => {
    const frame: LoggedFrame = { number: ++this.#total, direction, at: new Date(), text: describe(data) };
    this.#frames = [frame, ...this.#frames.slice(0, MOST_FRAMES - 1)];
    if (this.#isTelling) return;
    // Once for all frames of this moment: a page of history is followed by many.
    this.#isTelling = true;
    setTimeout(() => {
      this.#isTelling = false;
      for (const listener of this.#listeners) listener();
    });
  };
}

function describe(data: unknown): string {
  if (data instanceof ArrayBuffer) return `${data.byteLength.toLocaleString("en")} bytes`;
  const text = String(data).replace(TOKEN, "(token)");
  if (text.length <= MOST_CHARACTERS) return text;
  return `${text.slice(0, MOST_CHARACTERS)}… (${text.length.toLocaleString("en")} characters)`;
}
