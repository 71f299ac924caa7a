import type { Failure } from "../../protocol/codes.ts";
import { HAND_OVER_PARAMETER, SESSION_PARAMETER } from "../../protocol/relay_frames.ts";
import { err, ok } from "../../protocol/result.ts";
import { log } from "../../telemetry/log.ts";
import type { Upstream } from "../upstream.ts";
import { OpenAiSession, type SessionLimits } from "./openai_session.ts";
import type { ConversationLimits } from "./recorded_conversation.ts";
import { Recorder } from "./recorder.ts";
import type { SessionStore } from "./session_store.ts";
import type { CreateStage } from "./stage.ts";

/** How the sessions of an upstream are. */
export interface OpenAiSessionsOptions {
  /** The stages of each session, in the order in which a client's events pass them. */
  readonly stages: readonly CreateStage[];
  /** Why a client may not be piped to an address, if it may not; default it may. */
  readonly refuse?: (address: URL) => Failure | undefined;
  /** Where conversations are kept. */
  readonly store: SessionStore;
  /** What is kept of one; default 500 items and 128 KiB. */
  readonly conversation?: Partial<ConversationLimits>;
  /** What may wait, how long a conversation may be rebuilt and OpenAI be silent; default as for any pipe, 20 s and 60 s. */
  readonly limits?: Partial<SessionLimits>;
  /** Hears of what went wrong, in a line without secrets; default a line of the log. */
  readonly onFailure?: (line: string) => void;
}

/** A session with its place in the order in which connections began. */
interface Numbered {
  readonly session: OpenAiSession;
  readonly number: number;
}

const DEFAULT_LIMITS: SessionLimits = {
  maxQueuedFrames: 10_000,
  maxQueuedBytes: 4 * 1024 * 1024,
  rebuildTimeoutMs: 20_000,
  answerTimeoutMs: 60_000,
};

/** A name that a client chooses for its conversation. */
const SESSION_ID = /^[A-Za-z0-9_-]{1,128}$/;

/**
 * An upstream of OpenAI Realtime whose clients are held to stages, and whose conversations outlive connections where the
 * client names them by the parameter `session`: whoever comes with the same user and the same name goes on with it, and the
 * connection before is closed (4409).
 */
export function openAiSessions(upstream: Upstream, options: OpenAiSessionsOptions): Upstream {
  const { stages, store, conversation, limits } = options;
  const report = options.onFailure ?? ((message) => log.error("openai.failed", { message }));
  const onFailure = (line: string) => report(upstream.redact(line));
  /** Of this isolate, by user and name. Others learn from the store that they are not the owners any more. */
  const sessions = new Map<string, Numbered>();
  let count = 0;
  /** Gives a conversation to the connection that began last. */
  const takeOver = (key: string, own: Numbered) => {
    const other = sessions.get(key);
    if (other !== undefined && other.number > own.number) return own.session.takenOver();
    sessions.set(key, own);
    other?.session.takenOver();
  };
  return {
    ...upstream,
    intercept({ userId, query, address, buffers, waitUntil }) {
      const sessionId = query.get(SESSION_PARAMETER) ?? undefined;
      if (sessionId !== undefined && !SESSION_ID.test(sessionId)) {
        return err({ code: "bad_request", message: "session must be 1 to 128 of A-Z, a-z, 0-9, _ and -" });
      }
      const refusal = options.refuse?.(address.url);
      if (refusal !== undefined) return err(refusal);
      const model = address.url.searchParams.get("model") ?? "";
      const key = JSON.stringify([userId, sessionId]);
      const ownStages = stages.map((create) => create({ userId, sessionId, model }));
      const recorder = sessionId === undefined ? undefined : new Recorder({
        store,
        key: { userId, sessionId },
        limits: { maxItems: 500, maxBytes: 128 * 1024, ...conversation },
        hides: (item) => ownStages.some((stage) => stage.hides?.(item)),
        onAsked: () => session.awaitAnswer(),
        onLost: () => session.takenOver(),
        onUnavailable(cause) {
          onFailure(`A conversation could not be stored: ${(cause as Error).message}`);
          session.end(1013, "store_unavailable: The conversation could not be stored");
        },
      });
      const session: OpenAiSession = new OpenAiSession({
        stages: ownStages,
        recorder,
        announcesHandOver: query.has(HAND_OVER_PARAMETER),
        limits: { ...DEFAULT_LIMITS, ...limits },
        buffers,
        waitUntil,
        redact: upstream.redact,
        onFailure,
        // Who may not begin takes nothing from who goes on.
        onAdmitted: () => recorder && takeOver(key, own),
        onEnd: () => sessions.get(key) === own && sessions.delete(key),
      });
      const own = { session, number: ++count };
      return ok(session);
    },
  };
}
