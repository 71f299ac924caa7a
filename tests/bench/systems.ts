import type { BenchTokens } from "./bench_tokens.ts";
import type { Dialect } from "./load/protocol.ts";
import { type BenchServer, startServer } from "./start_server.ts";

/** A server that is measured beside others. A new one is one more object here, whatever it is written in. */
export interface System {
  /** As the tables name it. */
  readonly name: string;
  readonly dialect: Dialect;
  start(): Promise<BenchServer>;
  /** Where member `n` of a room connects. */
  url(server: BenchServer, room: string, n: number): Promise<string>;
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
