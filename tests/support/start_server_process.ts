import { linesOf } from "./lines_of.ts";
import { within } from "./within.ts";

/** A server in a process of its own, which ends when it is disposed of. */
export interface ServerProcess extends AsyncDisposable {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  readonly pid: number;
  /** The lines that it has printed so far, but for the one with its port. */
  readonly printed: readonly string[];
}

/** How a server is started. */
export interface ServerCommand {
  /** The program; default: the Deno that runs this. */
  readonly program?: string;
  readonly args: readonly string[];
  readonly cwd?: URL;
  /** Beside what any program needs of this process's own environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Closed when the server is to end, by itself: so it never outlives who started it. Default: it is killed. */
  readonly endsWithInput?: boolean;
}

const START_MS = 60_000;
const END_MS = 10_000;

/** Starts a server that prints `listening on PORT`. Rejects, with what it printed, where it ends before that. */
export async function startServerProcess(
  { program = Deno.execPath(), args, cwd, env = {}, endsWithInput = false }: ServerCommand,
): Promise<ServerProcess> {
  const { PATH = "", HOME = "", DENO_DIR, TMPDIR } = Deno.env.toObject();
  const child = new Deno.Command(program, {
    args: [...args],
    cwd,
    clearEnv: true,
    env: { PATH, HOME, NO_COLOR: "1", ...(DENO_DIR && { DENO_DIR }), ...(TMPDIR && { TMPDIR }), ...env },
    stdin: endsWithInput ? "piped" : "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();

  const name = args.at(-1)!;
  const printed: string[] = [];
  const listening = Promise.withResolvers<string>();
  const drained = Promise.all([child.stdout, child.stderr].map(async (stream) => {
    for await (const line of linesOf(stream)) {
      const port = line.match(/^listening on (\d+)$/)?.[1];
      if (port === undefined) printed.push(line);
      else listening.resolve(`127.0.0.1:${port}`);
    }
  }));
  const ended = Promise.all([child.status, drained]);
  ended.then(() => listening.reject(new Error(`Cannot start ${name}:\n${printed.join("\n")}`)));

  async function end(): Promise<void> {
    // It may have ended by itself, and its pipe with it.
    if (endsWithInput) await child.stdin.close().catch(() => {});
    else kill(child);
    await within(`${name} ends`, ended, END_MS);
  }
  try {
    const host = await within(`${name} listens`, listening.promise, START_MS);
    return { host, pid: child.pid, printed, [Symbol.asyncDispose]: end };
  } catch (error) {
    await end().catch(() => {});
    throw error;
  }
}

function kill(child: Deno.ChildProcess): void {
  try {
    child.kill("SIGKILL");
  } catch (error) {
    if (!(error instanceof TypeError)) throw error; // It has ended by itself.
  }
}
