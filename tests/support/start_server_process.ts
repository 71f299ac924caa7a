import { inheritedEnv } from "../../supabase/local/inherited_env.ts";
import { runProcess } from "./run_process.ts";

/** A server in a process of its own, which ends when it is disposed of. */
export interface ServerProcess extends AsyncDisposable {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  readonly pid: number;
  /** The lines that it has printed so far but for the one with its port. */
  readonly printed: readonly string[];
}

/** How a server is started. */
export interface ServerCommand {
  /** The program; default: the Deno that runs this. */
  readonly program?: string;
  readonly args: string[];
  readonly cwd?: URL;
  /** Beside what any program needs of this process's own environment. */
  readonly env?: Readonly<Record<string, string>>;
}

const START_MS = 60_000;

/**
 * Starts a server that prints `listening on PORT` and ends with its input, so that it never outlives who started it.
 * Rejects, with what it printed, where it ends before that.
 */
export async function startServerProcess({ env, ...command }: ServerCommand): Promise<ServerProcess> {
  let port: string | undefined;
  const running = runProcess({
    ...command,
    clearEnv: true,
    env: { ...inheritedEnv(), ...env },
    hasInput: true,
    takes: (line) => {
      const found = /^listening on (\d+)$/.exec(line)?.[1];
      port ??= found;
      return found !== undefined;
    },
  });
  const { child: { pid }, printed, end } = running;
  try {
    await running.until(`${command.args.at(-1)} listens`, () => port, START_MS);
    return { host: `127.0.0.1:${port}`, pid, printed, [Symbol.asyncDispose]: end };
  } catch (error) {
    await end();
    throw error;
  }
}
