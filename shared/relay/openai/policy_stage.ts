import * as z from "zod/mini";
import { RateLimiter } from "../../connection/rate_limiter.ts";
import { firstSession, refusedPart, rewriteResponse, rewriteSession } from "./apply_policy.ts";
import { clientEventSchemas } from "./client_events.ts";
import { isPlainEvent } from "./is_plain_event.ts";
import type { OpenAiPolicy } from "./openai_policy.ts";
import { pathName } from "./path_name.ts";
import { type Refusal, refusalEvent } from "./refusal_event.ts";
import { WithUnknownEvents } from "./server_events.ts";
import type { Fields, Item, Response, Session } from "./session_fields.ts";
import type { CreateStage, Passed, RealtimeEvent, Stage, StageOutput } from "./stage.ts";

/** What a policy is held to with. */
export interface PolicyStageOptions {
  /** The clock of the audio's rate, in milliseconds; default `Date.now`. */
  readonly now?: () => number;
  /** Hears that OpenAI refused what the policy sets, in a line without secrets. */
  readonly onFailure?: (line: string) => void;
}

/** The id of the event that sets up a session: none that a client may use. */
const FIRST_EVENT_ID = "relay_policy";
/** The members of a session that are not shown to a client where they are locked. */
const CONFIDENTIAL = ["instructions", "prompt"] as const;

/**
 * The stage that holds a client to a policy.
 *
 * It sets up the session before anything of the client's reaches OpenAI, and ends both sides (4502) should OpenAI refuse
 * that, so that no conversation goes on without what is locked. `session.update` and `response.create` are rewritten;
 * other events pass without the members that are not known, or are refused with an `error` event in OpenAI's own shape,
 * and the session goes on. Locked instructions are taken out of what OpenAI says of the session.
 */
export function policyStages(policy: OpenAiPolicy, options: PolicyStageOptions = {}): CreateStage {
  const schemas = clientEventSchemas({ keepUnknown: policy.unknown.fields === "pass" });
  return () => new PolicyStage(policy, schemas, options);
}

class PolicyStage implements Stage {
  readonly serverEvents: ReadonlySet<string>;
  readonly #policy: OpenAiPolicy;
  readonly #schemas: ReturnType<typeof clientEventSchemas>;
  readonly #confidential: readonly string[];
  readonly #audioRate: RateLimiter | undefined;
  readonly #onFailure: ((line: string) => void) | undefined;

  constructor(
    policy: OpenAiPolicy,
    schemas: ReturnType<typeof clientEventSchemas>,
    { now, onFailure }: PolicyStageOptions,
  ) {
    this.#policy = policy;
    this.#schemas = schemas;
    this.#confidential = CONFIDENTIAL.filter((field) => policy.locked[field] != null);
    this.#onFailure = onFailure;
    this.#audioRate = audioRate(policy.inputAudio, now);
    const wanted = ["error", ...this.#confidential.length > 0 ? ["session.created", "session.updated"] : []];
    this.serverEvents = policy.unknown.serverEvents === "stop" ? new WithUnknownEvents(wanted) : new Set(wanted);
  }

  open(output: StageOutput): void {
    const session = firstSession(this.#policy);
    if (session) output.toUpstream({ type: "session.update", event_id: FIRST_EVENT_ID, session });
  }

  fromClient(event: RealtimeEvent, output: StageOutput): Passed {
    const checked = this.#check(event);
    if ("event" in checked) return checked.event;
    output.toClient(refusalEvent(checked.refusal, event));
  }

  fromUpstream(event: RealtimeEvent, output: StageOutput): Passed {
    if (event.type === "error") return this.#error(event, output);
    if (event.type === "session.created" || event.type === "session.updated") return this.#withoutConfidential(event);
  }

  #check(event: RealtimeEvent): { readonly event: RealtimeEvent } | { readonly refusal: Refusal } {
    const { clientEvents, unknown } = this.#policy;
    const { type } = event;
    if (!clientEvents.has(type) && (this.#schemas.has(type) || unknown.clientEvents === "stop")) {
      return {
        refusal: {
          code: "event_not_allowed",
          message: `Events of the type '${type}' are not allowed here.`,
          param: "type",
        },
      };
    }
    if (event.event_id === FIRST_EVENT_ID) {
      return { refusal: { code: "invalid_value", message: "This 'event_id' is taken.", param: "event_id" } };
    }
    if (isPlainEvent(event)) return this.#rewrite(event);
    const schema = this.#schemas.get(type);
    if (schema === undefined) return { event };
    const parsed = z.safeParse(schema, event);
    if (!parsed.success) return { refusal: refusalOf(parsed.error.issues[0]!, event) };
    return this.#rewrite(parsed.data as RealtimeEvent);
  }

  #rewrite(event: RealtimeEvent): { readonly event: RealtimeEvent } | { readonly refusal: Refusal } {
    switch (event.type) {
      case "session.update":
        return { event: { ...event, session: rewriteSession(this.#policy, event.session as Session) } };
      case "response.create": {
        if (event.response == null) return { event };
        const response = rewriteResponse(this.#policy, event.response as Response);
        const items = (response.input ?? []) as readonly Item[];
        return this.#checkAudio(items.flatMap(audioOf), "response.input") ?? { event: { ...event, response } };
      }
      case "conversation.item.create": {
        const item = event.item as Item;
        const part = refusedPart(this.#policy, item);
        if (part !== undefined) {
          return {
            refusal: {
              code: "item_not_allowed",
              message: `'item.${part}' is not allowed here.`,
              param: `item.${part}`,
            },
          };
        }
        return this.#checkAudio(audioOf(item), "item.content") ?? { event };
      }
      case "input_audio_buffer.append":
        return this.#checkAudio([event.audio as string], "audio") ?? { event };
      default:
        return { event };
    }
  }

  /** Takes each audio from what may be sent; what is wrong with the first that is too much. */
  #checkAudio(audios: readonly string[], param: string): { readonly refusal: Refusal } | undefined {
    const { maxBytes, bytesPerSecond, burstBytes = Infinity } = this.#policy.inputAudio;
    for (const audio of audios) {
      const bytes = decodedBytes(audio);
      const limit = Math.min(maxBytes ?? Infinity, burstBytes);
      if (bytes > limit) {
        return {
          refusal: {
            code: "audio_too_large",
            message: `Audio of ${bytes} bytes is above the limit of ${limit}.`,
            param,
          },
        };
      }
      if (this.#audioRate?.take(bytes) === false) {
        const message = `Audio comes faster than ${bytesPerSecond} bytes a second; wait ${
          this.#audioRate.waitMs(bytes)
        } ms.`;
        return { refusal: { code: "rate_limit_exceeded", message, param } };
      }
    }
  }

  #error(event: RealtimeEvent, output: StageOutput): Passed {
    const { error } = event as { error?: { event_id?: unknown; code?: unknown; param?: unknown } };
    if (error?.event_id !== FIRST_EVENT_ID) return event;
    // The message may quote the instructions.
    this.#onFailure?.(`relay: OpenAI refused the policy's session: ${error.code}, ${error.param}`);
    output.end(4502, "upstream_failed: The session could not be set up");
  }

  #withoutConfidential(event: RealtimeEvent): RealtimeEvent {
    const session = { ...event.session as Fields } as Record<string, unknown>;
    for (const field of this.#confidential) delete session[field];
    return { ...event, session };
  }
}

function audioRate({ bytesPerSecond, burstBytes = 0 }: OpenAiPolicy["inputAudio"], now?: () => number) {
  if (bytesPerSecond === undefined) return undefined;
  // Messages are counted by the connection already.
  const unlimited = { messagesPerSecond: Number.MAX_SAFE_INTEGER, messageBurst: Number.MAX_SAFE_INTEGER };
  return new RateLimiter({ ...unlimited, bytesPerSecond, byteBurst: burstBytes }, now);
}

function audioOf({ content }: Item): string[] {
  const audios = [];
  for (const { audio } of content ?? []) if (typeof audio === "string") audios.push(audio);
  return audios;
}

/** The bytes that a base64 text (RFC 4648 section 4) stands for. */
function decodedBytes(base64: string): number {
  const padding = base64.endsWith("==") ? 2 : base64.endsWith("=") ? 1 : 0;
  return Math.floor(base64.length * 3 / 4) - padding;
}

function refusalOf({ path, message }: z.core.$ZodIssue, event: RealtimeEvent): Refusal {
  const param = pathName(path);
  const value = path.reduce<unknown>((value, key) => (value as Record<PropertyKey, unknown> | null)?.[key], event);
  if (value === undefined) {
    return { code: "missing_required_parameter", message: `Missing required parameter: '${param}'.`, param };
  }
  return { code: "invalid_value", message: `Invalid value: '${param}' ${message}.`, param };
}
