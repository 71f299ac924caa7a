import { type ServerProcess, startServerProcess } from "../support/start_server_process.ts";

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

/**
 * Starts an entrypoint on a free port of the loopback, which ends with the bench, even where that is killed. Rejects, with
 * what it printed, where it does not come up.
 */
export async function startServer(
  { entrypoint, env, deno, flags = [], config = "deno.json" }: ServerStart,
): Promise<ServerProcess> {
  const boot = new URL("../deploy/boot.ts", import.meta.url);
  return await startServerProcess({
    program: deno,
    args: [
      ...["run", "--allow-all", "--no-prompt", "--no-check", "--no-lock", "--config", config],
      ...flags,
      boot.href,
      entrypoint.href,
    ],
    cwd: ROOT,
    env,
  });
}
