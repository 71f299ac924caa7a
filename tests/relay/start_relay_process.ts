import { TextLineStream } from "@std/streams/text-line-stream";
import { denoPath } from "../support/deno_versions.ts";
import { claimsOf, makeKey, sign } from "../auth/tokens.ts";

const ROOT = new URL("../../", import.meta.url);
const PROJECT = "http://127.0.0.1:9";
const key = await makeKey("ES256", "relay-process");

/** A user's token for the relays of these tests that have no project of their own. */
export const TOKEN = await sign(key, claimsOf(PROJECT, Date.now()));

/** The function `relay` in a process of its own. */
export interface RelayProcess extends AsyncDisposable {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  /** A user's token for it. */
  readonly token: string;
  /** All that it has printed. */
  readonly printed: readonly string[];
  /** The address of a client with a valid token at `/relay` + `path`. */
  socketUrl(path: string): string;
  /** Its memory, in bytes: all of it, as most of what sockets hold is not in the engine's heap. */
  rss(): Promise<number>;
  /** The most memory that it has had so far, in bytes. */
  peakRss(): Promise<number>;
}

/**
 * Runs `functions/relay/index.ts` on a version of Deno, as a function of the project at `SUPABASE_URL` where `env` has one.
 * Rejects with what it printed where it does not start.
 */
export async function startRelayProcess(version: string, env: Record<string, string>): Promise<RelayProcess> {
  const project = env.SUPABASE_URL;
  const token = project === undefined ? TOKEN : await sign(key, claimsOf(project, Date.now()));
  const { PATH = "", HOME = "", DENO_DIR, TMPDIR } = Deno.env.toObject();
  const child = new Deno.Command(await denoPath(version), {
    args: [
      "run",
      "-A",
      "--no-prompt",
      "--no-lock",
      "tests/deploy/boot.ts",
      new URL("functions/relay/index.ts", ROOT).href,
    ],
    cwd: ROOT,
    clearEnv: true,
    env: {
      PATH,
      HOME,
      NO_COLOR: "1",
      ...(DENO_DIR && { DENO_DIR }),
      ...(TMPDIR && { TMPDIR }),
      SUPABASE_URL: PROJECT,
      SUPABASE_ANON_KEY: "sb_publishable_test",
      SUPABASE_JWKS: JSON.stringify({ keys: [key.publicJwk] }),
      ...env,
    },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();

  const printed: string[] = [];
  const listening = Promise.withResolvers<string>();
  const drained = Promise.all([child.stdout, child.stderr].map(async (stream) => {
    const lines: ReadableStream<string> = stream.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream());
    for await (const line of lines) {
      const port = line.match(/^listening on (\d+)$/)?.[1];
      if (port) listening.resolve(`127.0.0.1:${port}`);
      else printed.push(line);
    }
  }));
  const ended = Promise.all([child.status, drained]);
  ended.then(() => listening.reject(new Error(printed.join("\n"))));
  const host = await listening.promise;
  const readStatus = async (name: string) => {
    const status = await Deno.readTextFile(`/proc/${child.pid}/status`);
    return Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(status)?.[1]) * 1024;
  };
  return {
    host,
    token,
    printed,
    socketUrl: (path) => `ws://${host}/relay${path}${path.includes("?") ? "&" : "?"}jwt=${token}`,
    rss: () => readStatus("VmRSS"),
    peakRss: () => readStatus("VmHWM"),
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await ended;
    },
  };
}
