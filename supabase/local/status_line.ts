/** Where progress is written: standard error, as far as this needs it, so that what a command prints stays whole. */
export interface StatusOutput {
  writeSync(bytes: Uint8Array): number;
  isTerminal(): boolean;
}

/** How long something has taken and what is done now, in the last line of a terminal; elsewhere one plain line for each step. */
export interface StatusLine extends Disposable {
  /** Says what is done now. */
  show(text: string): void;
  /** Takes the line away while something else is printed, and gives it back behind that. */
  print(write: () => void): void;
}

const FRAMES = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
const FRAME_MS = 100;
const ERASE_LINE = "\r\x1b[2K";

/**
 * A status line that is there until it is disposed of. On a terminal it moves, with the seconds since its beginning;
 * elsewhere (a pipe, CI) `show` writes `SECONDS s  TEXT` once for each text, as nobody could erase it.
 */
export function statusLine({ output = Deno.stderr, now = () => performance.now() }: {
  output?: StatusOutput;
  now?: () => number;
} = {}): StatusLine {
  const startedAt = now();
  const moves = output.isTerminal();
  let text = "";
  let frame = 0;
  let isEnded = false;
  const seconds = () => `${((now() - startedAt) / 1_000).toFixed(0).padStart(3)} s`;
  const write = (chars: string) => output.writeSync(new TextEncoder().encode(chars));
  const erase = () => moves && text !== "" && write(ERASE_LINE);
  const draw = () =>
    moves && text !== "" && write(`${ERASE_LINE}${FRAMES[frame++ % FRAMES.length]} ${seconds()}  ${text}`);
  const timer = moves ? setInterval(draw, FRAME_MS) : undefined;
  if (timer !== undefined) Deno.unrefTimer(timer);
  return {
    show(next) {
      if (isEnded || next === text) return;
      text = next;
      if (moves) draw();
      else write(`${seconds()}  ${next}\n`);
    },
    print(print) {
      erase();
      print();
      if (!isEnded) draw();
    },
    [Symbol.dispose]() {
      if (isEnded) return;
      isEnded = true;
      clearInterval(timer);
      erase();
    },
  };
}
