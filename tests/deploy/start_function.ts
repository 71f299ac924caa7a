import { TextLineStream } from "@std/streams/text-line-stream";
import { denoPath, HOSTED_DENO } from "../support/deno_versions.ts";
import type { UploadedTree } from "./uploaded_tree.ts";

/** A function that runs in a process of its own, which ends when it is disposed of. */
export interface RunningFunction extends AsyncDisposable {
  readonly origin: string;
  readonly pid: number;
  /** The lines that it has printed so far. */
  readonly printed: readonly string[];
}

/**
 * Runs `entrypoint` of a tree on the Deno of a version: the hosted platform's, if not told otherwise. Rejects with what it
 * printed where it does not start.
 */
export async function startFunction(
  { root }: Pick<UploadedTree, "root">,
  entrypoint: string,
  env: Record<string, string>,
  version = HOSTED_DENO,
): Promise<RunningFunction> {
  const { PATH = "", HOME = "", DENO_DIR, TMPDIR } = Deno.env.toObject();
  const child = new Deno.Command(await denoPath(version), {
    args: [
      "run",
      "-A",
      "--no-prompt",
      "--no-lock",
      "--config",
      "deno.json",
      new URL("boot.ts", import.meta.url).href,
      new URL(entrypoint, root).href,
    ],
    cwd: root,
    clearEnv: true,
    env: { PATH, HOME, NO_COLOR: "1", ...(DENO_DIR && { DENO_DIR }), ...(TMPDIR && { TMPDIR }), ...env },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();

  const printed: string[] = [];
  const listening = Promise.withResolvers<number>();
  const drained = Promise.all([child.stdout, child.stderr].map(async (stream) => {
    const lines: ReadableStream<string> = stream.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream());
    for await (const line of lines) {
      printed.push(line);
      const port = line.match(/^listening on (\d+)$/)?.[1];
      if (port) listening.resolve(Number(port));
    }
  }));
  const ended = Promise.all([child.status, drained]);
  ended.then(() => listening.reject(new Error(`Cannot start ${entrypoint}:\n${printed.join("\n")}`)));
  return {
    origin: `127.0.0.1:${await listening.promise}`,
    pid: child.pid,
    printed,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await ended;
    },
  };
}
