import { type LocalOptions, type LocalSupabase, startLocal } from "../../supabase/local/start_local.ts";

/** A local project for a test, and what its isolates said. */
export interface TestLocal extends LocalSupabase {
  /** The lines of the log so far. */
  readonly logged: readonly string[];
  /** The address of a function's sockets: `ws://127.0.0.1:PORT/functions/v1/PATH`. */
  socketUrl(path: string): string;
}

/**
 * Starts a local project on a free port, one isolate per function if not told otherwise.
 *
 * ```ts
 * await using local = await startTestLocal({ wallClockMs: 4_000 });
 * const socket = new WebSocket(local.socketUrl("echo?plain"));
 * ```
 */
export async function startTestLocal(options: LocalOptions = {}): Promise<TestLocal> {
  const logged: string[] = [];
  const local = await startLocal({ port: 0, isolates: 1, log: (line) => logged.push(line), ...options });
  return {
    ...local,
    logged,
    socketUrl: (path) => `${local.url.replace("http", "ws")}/functions/v1/${path}`,
  };
}
