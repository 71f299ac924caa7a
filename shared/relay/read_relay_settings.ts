import { readSocketSettings, type SocketSettings } from "../connection/mod.ts";
import type { OpenAiPolicy } from "./openai/openai_policy.ts";
import { type OpenAiSettings, openAiUpstream } from "./openai/openai_upstream.ts";
import type { ReadTextFile } from "./openai/read_openai_policy.ts";
import type { UsageSettings } from "./openai/read_usage_settings.ts";
import type { ConversationLimits } from "./openai/recorded_conversation.ts";
import { parseUpstreams } from "./parse_upstreams.ts";
import type { PipeLimits } from "./pipe.ts";
import type { Upstream } from "./upstream.ts";

/** What its connections and queues may hold, if not told otherwise: it takes up to three times as much of an isolate's 256 MB. */
const MAX_HELD_BYTES = 32 * 1024 * 1024;

/** Variables by name. */
export type Environment = Readonly<Record<string, string>>;

/** What the environment says of the relay. */
export interface RelaySettings extends SocketSettings {
  /** Those that are set up. */
  readonly upstreams: readonly Upstream[];
  /** What to set for an upstream that is known but not set up, by its name. */
  readonly missing: Readonly<Record<string, string>>;
  /** The bounds of each pipe. */
  readonly limits: Partial<PipeLimits>;
  /** How sessions at OpenAI are, where that is set up. */
  readonly openAi: OpenAiSessionSettings | undefined;
}

/** What the environment says of sessions at OpenAI. */
export interface OpenAiSessionSettings {
  /** What clients may do. */
  readonly policy: OpenAiPolicy;
  /** What is kept of a conversation. */
  readonly conversation: Partial<ConversationLimits>;
  /** How long OpenAI may say nothing where a response was asked for. */
  readonly limits: { readonly answerTimeoutMs?: number };
  /** How sessions are metered, where they are. */
  readonly usage: UsageSettings | undefined;
  /** The names of the tools of the server that are on, separated by commas; empty for none. */
  readonly tools: string;
}

/**
 * The settings of the relay from a function's environment: those of `readSocketSettings`, and
 *
 * | variable | default | meaning |
 * |---|---|---|
 * | `OPENAI_API_KEY` | | the key for the upstream `openai`, which does not exist without it |
 * | `OPENAI_REALTIME_URL` | `wss://api.openai.com/v1/realtime` | where it is |
 * | `OPENAI_REALTIME_MODEL` | `gpt-realtime` | the model of a client that names none |
 * | `OPENAI_ORG_ID`, `OPENAI_PROJECT_ID` | | whom OpenAI bills, where the key leaves that open |
 * | `OPENAI_REALTIME_POLICY`, `OPENAI_REALTIME_POLICY_FILE` | | what clients may do there: see `readOpenAiPolicy` |
 * | `OPENAI_METERING`, `OPENAI_DAILY_BUDGET`, `OPENAI_BUDGET_WEIGHTS`, `OPENAI_MAX_SESSIONS_PER_USER` | | what they may use: see `readUsageSettings` |
 * | `OPENAI_TOOLS` | | the tools of `functions/relay/tools.ts` that are on, by name, separated by commas |
 * | `OPENAI_CONVERSATION_MAX_ITEMS` | 500 | items of a conversation that are kept; beyond that its oldest turns go |
 * | `OPENAI_CONVERSATION_MAX_BYTES` | 128 KiB | their bytes, as JSON |
 * | `OPENAI_ANSWER_TIMEOUT_MS` | 60,000 | how long OpenAI may say nothing at all where a response was asked for |
 * | `RELAY_UPSTREAMS` | `{}` | other upstreams, as JSON: see `parseUpstreams` |
 * | `RELAY_CONNECT_TIMEOUT_MS` | 10,000 | how long an upstream may take to open |
 * | `RELAY_MAX_QUEUED_FRAMES` | 10,000 | frames that wait for a side that is slow or not open yet |
 * | `RELAY_MAX_QUEUED_BYTES` | 4 MiB | their bytes, and the largest frame that is taken of an upstream |
 * | `MAX_BUFFERED_BYTES_TOTAL` | 32 MiB | what waits in all queues, and for all clients, together |
 * | `RELAY_LINGER_MS` | 10,000 | how long a side may take to read what the other sent before it closed |
 *
 * `readTextFile` reads the files that variables name.
 *
 * @throws {RangeError} that names the variable which is bad, and never quotes a secret.
 */
export async function readRelaySettings(
  env: Environment,
  { readTextFile = Deno.readTextFile }: { readonly readTextFile?: ReadTextFile } = {},
): Promise<RelaySettings> {
  const { sockets, isolate } = readSocketSettings(env, { maxBufferedBytesTotal: MAX_HELD_BYTES });
  const apiKey = readText(env, "OPENAI_API_KEY");
  const sessions = apiKey === undefined ? undefined : await readOpenAiSessions(env, readTextFile);
  const openAi = apiKey && readOpenAi(env, { apiKey, model: sessions?.policy.defaultModel });
  return {
    sockets,
    isolate,
    upstreams: [...openAi ? [openAi] : [], ...readUpstreams(env)],
    missing: openAi ? {} : { openai: "set OPENAI_API_KEY" },
    limits: {
      ...readWhole(env, "RELAY_CONNECT_TIMEOUT_MS", "connectTimeoutMs"),
      ...readWhole(env, "RELAY_MAX_QUEUED_FRAMES", "maxQueuedFrames"),
      ...readWhole(env, "RELAY_MAX_QUEUED_BYTES", "maxQueuedBytes"),
      ...readWhole(env, "RELAY_LINGER_MS", "lingerMs"),
    },
    openAi: sessions,
  };
}

async function readOpenAiSessions(env: Environment, readTextFile: ReadTextFile): Promise<OpenAiSessionSettings> {
  // Loaded only where they are needed, as they need zod.
  const [{ readOpenAiPolicy }, { readUsageSettings }] = await Promise.all([
    import("./openai/read_openai_policy.ts"),
    import("./openai/read_usage_settings.ts"),
  ]);
  return {
    policy: await readOpenAiPolicy(env, readTextFile),
    usage: readUsageSettings(env),
    tools: readText(env, "OPENAI_TOOLS") ?? "",
    limits: readWhole(env, "OPENAI_ANSWER_TIMEOUT_MS", "answerTimeoutMs"),
    conversation: {
      ...readWhole(env, "OPENAI_CONVERSATION_MAX_ITEMS", "maxItems"),
      ...readWhole(env, "OPENAI_CONVERSATION_MAX_BYTES", "maxBytes"),
    },
  };
}

function readOpenAi(env: Environment, { apiKey, model }: Pick<OpenAiSettings, "apiKey" | "model">): Upstream {
  try {
    return openAiUpstream({
      apiKey,
      url: readText(env, "OPENAI_REALTIME_URL"),
      model,
      organization: readText(env, "OPENAI_ORG_ID"),
      project: readText(env, "OPENAI_PROJECT_ID"),
    });
  } catch (error) {
    const variables = "OPENAI_API_KEY, OPENAI_REALTIME_URL, OPENAI_ORG_ID and OPENAI_PROJECT_ID";
    throw new RangeError(`Cannot start as ${variables} must make an upstream: ${(error as Error).message}`);
  }
}

function readUpstreams(env: Environment): readonly Upstream[] {
  const text = readText(env, "RELAY_UPSTREAMS");
  return text === undefined ? [] : parseUpstreams(text, env);
}

function readText(env: Environment, name: string): string | undefined {
  return env[name]?.trim() || undefined;
}

/** A timer for longer than this ends at once. */
const MOST = 2 ** 31 - 1;

function readWhole<K extends string>(env: Environment, name: string, limit: K): { readonly [name in K]?: number } {
  const raw = readText(env, name);
  if (raw === undefined) return {};
  const value = Number(raw);
  if (!Number.isInteger(value) || value < 1 || value > MOST) {
    throw new RangeError(`Cannot start as ${name} must be a whole number from 1 to ${MOST}: current value is "${raw}"`);
  }
  return { [limit]: value } as { readonly [name in K]?: number };
}
