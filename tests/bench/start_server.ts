import { TextLineStream } from "@std/streams/text-line-stream";
import { within } from "../support/within.ts";

/** A server in a process of its own; its end is that of `await using`, or of the bench. */
export interface BenchServer extends AsyncDisposable {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  readonly pid: number;
}

/** What a server is started with. */
export interface ServerStart {
  readonly entrypoint: URL;
  readonly env?: Readonly<Record<string, string>>;
  /** The program; default: the Deno that runs this. */
  readonly deno?: string;
  /** More flags for it, such as `--cpu-prof`. */
  readonly flags?: readonly string[];
  /** The path of its configuration; default: the project's. */
  readonly config?: string;
}

const ROOT = new URL("../../", import.meta.url);

/** Starts an entrypoint on a free port of the loopback. Rejects, with what it printed, where it does not come up. */
export async function startServer(
  { entrypoint, env = {}, deno = Deno.execPath(), flags = [], config = "deno.json" }: ServerStart,
) {
  const { PATH = "", HOME = "", DENO_DIR, TMPDIR } = Deno.env.toObject();
  const boot = new URL("boot.ts", import.meta.url);
  const child = new Deno.Command(deno, {
    args: [
      ...["run", "--allow-all", "--no-prompt", "--no-check", "--no-lock", "--config", config],
      ...flags,
      boot.href,
      entrypoint.href,
    ],
    cwd: ROOT,
    clearEnv: true,
    env: { PATH, HOME, NO_COLOR: "1", ...(DENO_DIR && { DENO_DIR }), ...(TMPDIR && { TMPDIR }), ...env },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();

  const printed: string[] = [];
  const listening = Promise.withResolvers<number>();
  const drained = Promise.all([child.stdout, child.stderr].map(async (stream) => {
    const lines: ReadableStream<string> = stream.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream());
    for await (const line of lines) {
      if (printed.length < 100) printed.push(line);
      const port = line.match(/^listening on (\d+)$/)?.[1];
      if (port) listening.resolve(Number(port));
    }
  }));
  const ended = Promise.all([child.status, drained]);
  ended.then(() => listening.reject(new Error(`Cannot start ${entrypoint}:\n${printed.join("\n")}`)));
  const server: BenchServer = {
    host: `127.0.0.1:${await within(`${entrypoint} listens`, listening.promise, 60_000)}`,
    pid: child.pid,
    async [Symbol.asyncDispose]() {
      await child.stdin.close().catch(() => {}); // It may have ended by itself, and its pipe with it.
      await within(`${entrypoint} ends`, ended);
    },
  };
  return server;
}
