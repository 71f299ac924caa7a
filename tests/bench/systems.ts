import type { BenchTokens } from "./bench_tokens.ts";
import type { Dialect } from "./load/protocol.ts";
import type { ServerProcess } from "../support/start_server_process.ts";
import { startServer } from "./start_server.ts";

/** A server that is measured beside others. A new one is one more object here, whatever it is written in. */
export interface System {
  /** As the tables name it. */
  readonly name: string;
  readonly dialect: Dialect;
  start(): Promise<ServerProcess>;
  /** Where member `n` of a room connects. */
  url(server: ServerProcess, room: string, n: number): Promise<string>;
}

/** What a system's server is run with. */
export interface SystemOptions {
  /** The Deno that runs it; default: the one that runs this. */
  readonly deno?: string;
  readonly flags?: readonly string[];
}

const ROOT = new URL("../../", import.meta.url);

/** Limits so high that none is met: each is checked all the same. The isolate lives longer than the bench. */
export const RAISED_LIMITS = {
  MESSAGES_PER_SECOND: "1000000",
  BYTES_PER_SECOND: "1000000000",
  MAX_BUFFERED_BYTES: "16000000",
  MAX_BUFFERED_BYTES_TOTAL: "1000000000",
  ISOLATE_WALL_CLOCK_MS: "36000000",
};

/** The room that everyone writes first: what all others are compared with. */
export function plainRoom({ deno, flags }: SystemOptions = {}): System {
  return {
    name: "plain room",
    dialect: { frames: "plain", echoesSender: false },
    start: () => startServer({ entrypoint: new URL("peers/plain_room.ts", import.meta.url), deno, flags }),
    url: ({ host }, room) => Promise.resolve(`ws://${host}/?room=${room}`),
  };
}

/** Our chat as it is deployed, with everything on; its store is memory, so that no database is measured. */
export function chat(tokens: BenchTokens, { batch, deno, flags }: SystemOptions & { batch: boolean }): System {
  const env = { ...tokens.env, ...RAISED_LIMITS, CHAT_STORE: "memory" };
  return {
    name: batch ? "chat, batch=1" : "chat",
    dialect: { frames: "chat", echoesSender: true },
    start: () => startServer({ entrypoint: new URL("functions/chat/index.ts", ROOT), env, deno, flags }),
    url: async ({ host }, room, n) =>
      `ws://${host}/chat?room=${room}&jwt=${await tokens.sign(n)}${batch ? "&batch=1" : ""}`,
  };
}

/** Our echo as it is deployed: the cost of the kernel and of the token alone. */
export function echo(tokens: BenchTokens, { deno, flags }: SystemOptions = {}): System {
  const env = { ...tokens.env, ...RAISED_LIMITS };
  return {
    name: "echo",
    dialect: { frames: "chat", echoesSender: true },
    start: () => startServer({ entrypoint: new URL("functions/echo/index.ts", ROOT), env, deno, flags }),
    url: async ({ host }, _room, n) => `ws://${host}/echo?jwt=${await tokens.sign(n)}`,
  };
}

/** A project as chat is told of it. */
export interface Project {
  readonly url: string;
  readonly publishableKey: string;
  readonly secretKey: string;
}

/** Our chat on a project's database; `groups`: with group commit, as it is deployed, or with one write a call. */
export function chatOn(
  { url, publishableKey, secretKey }: Project,
  tokens: readonly string[],
  { groups, deno, flags }: SystemOptions & { groups: boolean },
): System {
  const env = {
    ...RAISED_LIMITS,
    SUPABASE_URL: url,
    SUPABASE_PUBLISHABLE_KEYS: JSON.stringify({ default: publishableKey }),
    SUPABASE_SECRET_KEYS: JSON.stringify({ default: secretKey }),
    CHAT_STORE: "supabase",
  };
  return {
    name: groups ? "group commit" : "one a call",
    dialect: { frames: "chat", echoesSender: true },
    start: async () => {
      const start = { entrypoint: new URL("functions/chat/index.ts", ROOT), env, deno, flags };
      if (groups) return await startServer(start);
      const config = await withoutGroupCommit();
      return await startServer({ ...start, config }).finally(() => Deno.remove(config)); // Read by then.
    },
    url: ({ host }, room, n) => Promise.resolve(`ws://${host}/chat?room=${room}-${groups}&jwt=${tokens[n]}`),
  };
}

/** The project's configuration in which functions get another `groupCommit`: the chat that runs is the very file that is deployed. */
async function withoutGroupCommit(): Promise<string> {
  const { imports } = JSON.parse(await Deno.readTextFile(new URL("deno.json", ROOT)));
  const module = new URL("shared/store/group_commit.ts", ROOT).href;
  const scopes = {
    [new URL("functions/", ROOT).href]: { [module]: new URL("peers/one_write_a_call.ts", import.meta.url).href },
  };
  const path = await Deno.makeTempFile({ suffix: ".json" });
  await Deno.writeTextFile(path, JSON.stringify({ nodeModulesDir: "none", imports, scopes }));
  return path;
}
