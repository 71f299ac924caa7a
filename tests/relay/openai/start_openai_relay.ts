import { createAuthenticator } from "../../../shared/auth/mod.ts";
import { createRelay, type RelayOptions } from "../../../shared/relay/create_relay.ts";
import { memorySessionStore } from "../../../shared/relay/openai/memory_session_store.ts";
import { openAiSessions, type OpenAiSessionsOptions } from "../../../shared/relay/openai/openai_sessions.ts";
import { openAiUpstream } from "../../../shared/relay/openai/openai_upstream.ts";
import type { SocketOptions } from "../../../shared/connection/mod.ts";
import { claimsOf, makeKey, sign } from "../../auth/tokens.ts";
import { type Kernel, startKernel } from "../../connection/kernel.ts";
import { RealtimeClient } from "../openai_realtime_server/realtime_client.ts";
import type { OpenAiRealtime } from "../openai_realtime_server/start_openai_realtime.ts";

const PROJECT = "http://127.0.0.1:9";
const key = await makeKey("ES256", "openai-relay");
const authenticator = createAuthenticator({
  supabaseUrl: PROJECT,
  apiKey: "sb_publishable_test",
  jwks: { keys: [key.publicJwk] },
});

/** A token of a user. */
export function tokenOf(userId: string): Promise<string> {
  return sign(key, claimsOf(PROJECT, Date.now(), { sub: userId }));
}

export const ADA = "8c1f1e0e-5d47-4a3c-9b9a-0f6f5f6c0a01";
export const BOB = "8c1f1e0e-5d47-4a3c-9b9a-0f6f5f6c0b02";

/** For tests that send faster than a user does. */
const UNHURRIED: SocketOptions = { messageBurst: 100_000, byteBurst: 64 * 1024 * 1024 };

/** A relay to a stand-in of OpenAI, on an isolate of its own. */
export interface OpenAiRelay extends Kernel {
  /** What it wrote for its operator. */
  readonly failures: readonly string[];
  /** A client, once it has `session.created`. */
  talk(query?: string, userId?: string): Promise<RealtimeClient>;
}

/** Starts a relay; `store` is what several of them share. */
export function startOpenAiRelay(
  openAi: Pick<OpenAiRealtime, "url" | "apiKey">,
  { stages = [], store = memorySessionStore(), pipe, sockets = UNHURRIED, ...options }:
    & Partial<OpenAiSessionsOptions>
    & { readonly pipe?: RelayOptions["limits"]; readonly sockets?: SocketOptions } = {},
): OpenAiRelay {
  const failures: string[] = [];
  const onFailure = (line: string) => failures.push(line);
  const upstream = openAiSessions(openAiUpstream(openAi), { stages, store, onFailure, ...options });
  let handler: ReturnType<typeof createRelay> | undefined;
  const kernel = startKernel(({ processes }, request, context) => {
    handler ??= createRelay({ authenticator, processes, upstreams: [upstream], limits: pipe, onFailure });
    return handler(request, context);
  }, sockets);
  return {
    ...kernel,
    failures,
    async talk(query = "session=talk", userId = ADA) {
      const client = await RealtimeClient.open(`${kernel.socketUrl}/relay/openai?${query}`, await tokenOf(userId));
      await client.next("session.created");
      return client;
    },
  };
}
