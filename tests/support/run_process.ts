import { linesOf } from "./lines_of.ts";
import { within } from "./within.ts";

/** A process, and what it has printed. */
export interface RunningProcess {
  readonly child: Deno.ChildProcess;
  /** Its lines so far, those of errors among them. */
  readonly printed: readonly string[];
  /** Waits until `find` finds something in what it has printed. Rejects with that where it ends before, or in time does not. */
  until<T>(what: string, find: (printed: readonly string[]) => T | undefined, deadlineMs: number): Promise<T>;
  /** Settles when it has ended and all of its lines are there. */
  readonly ended: Promise<Deno.CommandStatus>;
  /** Ends it: by the end of its input, or by SIGKILL where it has none or goes on for 10 s. May be called twice. */
  end(): Promise<void>;
}

/** Which process. */
export interface ProcessOptions extends Pick<Deno.CommandOptions, "args" | "cwd" | "env" | "clearEnv"> {
  /** Default: the Deno that runs this. */
  readonly program?: string;
  /** Whether it has an input: nothing comes over it, and it ends with this process. Default: false. */
  readonly hasInput?: boolean;
  /** Takes a line, by giving true, so that it is not among those printed. */
  readonly takes?: (line: string) => boolean;
}

const END_MS = 10_000;

/** Starts a process, and reads all that it prints. */
export function runProcess(
  { program = Deno.execPath(), hasInput = false, takes, env, ...options }: ProcessOptions,
): RunningProcess {
  const child = new Deno.Command(program, {
    ...options,
    env: { NO_COLOR: "1", ...env },
    stdin: hasInput ? "piped" : "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const printed: string[] = [];
  let hasEnded = false;
  let changed = Promise.withResolvers<void>();
  const wake = () => {
    changed.resolve();
    changed = Promise.withResolvers();
  };
  const drained = [child.stdout, child.stderr].map(async (stream) => {
    for await (const line of linesOf(stream)) {
      if (!takes?.(line)) printed.push(line);
      wake();
    }
  });
  const ended = Promise.all([child.status, ...drained]).then(([status]) => {
    hasEnded = true;
    wake();
    return status;
  });

  async function find<T>(what: string, ask: (printed: readonly string[]) => T | undefined): Promise<T> {
    for (;;) {
      const { promise } = changed;
      const found = ask(printed);
      if (found !== undefined) return found;
      if (hasEnded) throw new Error(`It ended before this: ${what}`);
      await promise;
    }
  }

  return {
    child,
    printed,
    ended,
    until: (what, ask, deadlineMs) =>
      within(what, find(what, ask), deadlineMs).catch((error) => {
        throw new Error(`${error.message}\nIt printed:\n${printed.join("\n")}`);
      }),
    async end() {
      if (hasInput) {
        await child.stdin.close().catch(() => {}); // It may have ended by itself, and its pipe with it.
        await within("it ends with its input", ended, END_MS).catch(() => {});
      }
      if (!hasEnded) kill(child);
      await ended;
    },
  };
}

function kill(child: Deno.ChildProcess): void {
  try {
    child.kill("SIGKILL");
  } catch (error) {
    if (!(error instanceof TypeError)) throw error; // It has ended by itself.
  }
}
