import { eventually } from "./eventually.ts";

/** A program that never outlives this process: it ends with its input, which is closed when this process is killed too. */
export interface TiedProgram {
  /** The process between: the program is its child. */
  readonly pid: number;
  /** Ends the program by its signal, where it has not ended by itself. */
  end(): Promise<void>;
}

/** How a program is started. */
export interface TiedProgramOptions {
  /** The command and its arguments. */
  readonly command: readonly string[];
  /** What ends it. */
  readonly signal: "KILL" | "INT";
  /** The user to run as, where this runs as root. */
  readonly user?: string;
  /** Whether this very program serves by now: another one may listen where it was told to. */
  isReady(pid: number): Promise<boolean>;
  readonly deadlineMs: number;
}

/** Starts a program; settles when it is ready. Rejects where it ends before, so that nobody waits for it in vain. */
export async function startTiedProgram(
  { command, signal, user, isReady, deadlineMs }: TiedProgramOptions,
): Promise<TiedProgram> {
  const [program = "", ...args] = [
    ...(user === undefined ? [] : ["runuser", "-u", user, "--"]),
    ...["sh", "-c", END_WITH_INPUT, signal, ...command],
  ];
  const child = new Deno.Command(program, { args, stdin: "piped", stdout: "null", stderr: "null" }).spawn();
  let hasEnded = false;
  const ended = child.status.then(() => void (hasEnded = true));
  const end = async () => {
    await child.stdin.close().catch(() => {}); // Closed already, where it ended before.
    await ended;
  };
  try {
    await eventually(`${command[0]} is ready`, async () => {
      if (hasEnded) throw new Error(`Cannot start ${command.join(" ")}: it ended`);
      return await isReady(child.pid);
    }, { deadlineMs });
  } catch (error) {
    await end();
    throw error;
  }
  return { pid: child.pid, end };
}

/**
 * `$0` is the signal. The shell ends with the program, and the program with the shell's input; whoever waits for that input
 * is ended first, so that it signals no other process that has got the number of one that is gone.
 */
const END_WITH_INPUT = `exec 3<&0
"$@" 3<&- & program=$!
(cat <&3 >/dev/null; kill -$0 $program) 2>/dev/null & watch=$!
wait $program
kill -KILL $watch 2>/dev/null
exit 0`;
