import { claimsOf, makeKey, sign } from "../auth/tokens.ts";
import { startFunction } from "../deploy/start_function.ts";
import type { ServerProcess } from "../support/start_server_process.ts";

const ROOT = new URL("../../", import.meta.url);
const PROJECT = "http://127.0.0.1:9";
const key = await makeKey("ES256", "relay-process");

/** A user's token for the relays of these tests that have no project of their own. */
export const TOKEN = await sign(key, claimsOf(PROJECT, Date.now()));

/** The function `relay` in a process of its own. */
export interface RelayProcess extends ServerProcess {
  /** A user's token for it. */
  readonly token: string;
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
  const server = await startFunction({ root: ROOT }, "functions/relay/index.ts", {
    SUPABASE_URL: PROJECT,
    SUPABASE_ANON_KEY: "sb_publishable_test",
    SUPABASE_JWKS: JSON.stringify({ keys: [key.publicJwk] }),
    ...env,
  }, version);
  const { host, pid } = server;
  const readStatus = async (name: string) => {
    const status = await Deno.readTextFile(`/proc/${pid}/status`);
    return Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(status)?.[1]) * 1024;
  };
  return {
    ...server,
    token,
    socketUrl: (path) => `ws://${host}/relay${path}${path.includes("?") ? "&" : "?"}jwt=${token}`,
    rss: () => readStatus("VmRSS"),
    peakRss: () => readStatus("VmHWM"),
  };
}
