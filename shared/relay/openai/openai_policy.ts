import * as z from "zod/mini";
import type { Failure } from "../../protocol/codes.ts";
import { CLIENT_EVENTS } from "./client_events.ts";
import { type Fields, SESSION_FIELDS, SessionSettings } from "./session_fields.ts";

/** What clients may do at OpenAI with the server's key. */
export interface OpenAiPolicy {
  /** The models that a client may ask for in its URL; `"any"` for all. */
  readonly models: ReadonlySet<string> | "any";
  /** The model of a client that asks for none. */
  readonly defaultModel: string;
  /** Parts of the session that are as they are here, whatever a client asks for. */
  readonly locked: SessionSettings;
  /** Parts of the session that are as they are here until a client changes them. */
  readonly defaults: SessionSettings;
  /** The ceiling of `max_output_tokens`, in the session and in each response. */
  readonly maxOutputTokens: number | undefined;
  /** The fields of the session, and of the same names of a response, that a client may set where they are not locked. */
  readonly sessionFields: ReadonlySet<string>;
  /** The types of tools that a client may declare. */
  readonly toolTypes: ReadonlySet<string>;
  /** The client events that pass. */
  readonly clientEvents: ReadonlySet<string>;
  /** The items that a client may add: the role of a message, the type of any other. */
  readonly items: ReadonlySet<string>;
  /** The types of content that messages of a client may hold. */
  readonly content: ReadonlySet<string>;
  /** What becomes of what is not known here: client events, server events, fields of events, sessions and responses. */
  readonly unknown: Readonly<Record<"clientEvents" | "serverEvents" | "fields", "pass" | "stop">>;
  /** The audio that a client may send, as bytes before they become base64. */
  readonly inputAudio: {
    /** Of one event, or one part of a message. */
    readonly maxBytes: number | undefined;
    readonly bytesPerSecond: number | undefined;
    /** What may come at once, before the rate counts. */
    readonly burstBytes: number | undefined;
  };
}

const names = (what: string) =>
  z.array(z.string(`must be ${what}`).check(z.minLength(1, `must be ${what}`)), "must be a list");
const namesOf = (known: readonly string[]) => {
  const rule = `must be one of ${known.join(", ")}`;
  return z.array(z.enum(known, rule), "must be a list");
};
const positive = z.int("must be a whole number >= 1").check(z.gte(1, "must be a whole number >= 1"));
const verdict = z.enum(["pass", "stop"], 'must be "pass" or "stop"');

const MODELS_RULE = 'must be "any" or a list of one or more models';

/** The policy as a deployer writes it: JSON, every field optional. */
const Settings = z.partial(z.strictObject({
  models: z.union([z.literal("any"), names("a model").check(z.minLength(1, MODELS_RULE))], MODELS_RULE),
  locked: SessionSettings,
  defaults: SessionSettings,
  max_output_tokens: positive,
  session_fields: namesOf(SESSION_FIELDS),
  tool_types: names("a type of tool"),
  client_events: names("a client event"),
  items: names("a role or a type of item"),
  content: names("a type of content"),
  unknown_client_events: verdict,
  unknown_server_events: verdict,
  unknown_fields: verdict,
  input_audio: z.partial(
    z.strictObject({ max_bytes: positive, bytes_per_second: positive, burst_bytes: positive }, "must be an object"),
  ),
}, "must be an object"));
type Settings = z.infer<typeof Settings>;

const DEFAULT_MODEL = "gpt-realtime";
/** A stored prompt of the key's owner could say what is locked here; a trace shows conversations to all of his organization. */
const CLOSED_FIELDS: ReadonlySet<string> = new Set(["prompt", "tracing"]);
const ITEMS = ["user", "assistant", "function_call", "function_call_output", "item_reference"];
const CONTENT = ["input_text", "input_audio", "input_image", "output_text", "output_audio", "text", "audio"];
const BURST_SECONDS = 10;

/**
 * Reads a policy from what was JSON. `model` is the model of a client that asks for none; default the first of `models`, and
 * without these `gpt-realtime`.
 * @throws {RangeError} that names the field, and quotes no value: instructions may be confidential.
 */
export function parseOpenAiPolicy(value: unknown, model?: string): OpenAiPolicy {
  const parsed = z.safeParse(Settings, value);
  if (!parsed.success) throw new RangeError(describe(parsed.error.issues[0]!));
  const settings = parsed.data;
  checkContradictions(settings);
  const { locked = {}, defaults = {}, input_audio: audio = {}, tool_types: toolTypes = ["function"] } = settings;
  const defaultModel = model ?? (Array.isArray(settings.models) ? settings.models[0]! : DEFAULT_MODEL);
  const models = settings.models === "any" ? "any" : new Set(settings.models ?? [defaultModel]);
  if (models !== "any" && !models.has(defaultModel)) {
    throw new RangeError("models must hold the model of a client that asks for none (OPENAI_REALTIME_MODEL)");
  }
  return {
    models,
    defaultModel,
    locked,
    defaults,
    maxOutputTokens: settings.max_output_tokens,
    sessionFields: new Set(settings.session_fields ?? SESSION_FIELDS.filter((field) => !CLOSED_FIELDS.has(field))),
    toolTypes: new Set(toolTypes),
    clientEvents: new Set(settings.client_events ?? CLIENT_EVENTS),
    items: new Set(
      settings.items ?? [
        ...ITEMS,
        // What the system says stands beside the instructions.
        ...locked.instructions === undefined ? ["system"] : [],
        ...toolTypes.includes("mcp") ? ["mcp_approval_response"] : [],
      ],
    ),
    content: new Set(settings.content ?? CONTENT),
    unknown: {
      clientEvents: settings.unknown_client_events ?? "stop",
      serverEvents: settings.unknown_server_events ?? "pass",
      fields: settings.unknown_fields ?? "stop",
    },
    inputAudio: {
      maxBytes: audio.max_bytes,
      bytesPerSecond: audio.bytes_per_second,
      burstBytes: audio.burst_bytes ??
        (audio.bytes_per_second === undefined ? undefined : audio.bytes_per_second * BURST_SECONDS),
    },
  };
}

/** Why a client may not be piped to this address of the upstream; `undefined` where it may. */
export function refuseModel({ models }: Pick<OpenAiPolicy, "models">, address: URL): Failure | undefined {
  const asked = address.searchParams.getAll("model");
  // Which of several counts is not for the relay to guess.
  if (asked.length > 1) return { code: "bad_request", message: "The URL must name one model only" };
  if (models === "any" || asked.every((model) => models.has(model))) return undefined;
  return { code: "forbidden", message: `This model is not allowed here: use one of ${[...models].join(", ")}` };
}

function describe({ code, path, message, ...issue }: z.core.$ZodIssue): string {
  if (code === "unrecognized_keys") {
    const [key] = (issue as Pick<z.core.$ZodIssueUnrecognizedKeys, "keys">).keys;
    return `${[...path, key].join(".")} is not a setting`;
  }
  return path.length === 0 ? `it ${message}` : `${path.join(".")} ${message}`;
}

function checkContradictions({ locked = {}, defaults = {}, session_fields: fields, ...settings }: Settings): void {
  const twice = leaves(locked).find((leaf) => leaves(defaults).includes(leaf));
  if (twice !== undefined) throw new RangeError(`locked and defaults must not both hold ${twice}`);
  for (const [name, part] of Object.entries({ locked, defaults })) {
    const { max_output_tokens: ceiling } = settings;
    const tokens = part.max_output_tokens;
    if (tokens !== undefined && ceiling !== undefined && (tokens === "inf" || tokens > ceiling)) {
      throw new RangeError(`${name}.max_output_tokens must not be above max_output_tokens`);
    }
  }
  if (fields?.includes("prompt") && (locked.instructions !== undefined || locked.tools !== undefined)) {
    throw new RangeError(
      "session_fields must not hold prompt where instructions or tools are locked: it can bring its own",
    );
  }
  if (settings.input_audio?.burst_bytes !== undefined && settings.input_audio.bytes_per_second === undefined) {
    throw new RangeError("input_audio.burst_bytes needs input_audio.bytes_per_second");
  }
}

/** `instructions`, `audio.output.voice`, …: what is one value. */
function leaves({ audio, ...others }: SessionSettings): string[] {
  const sides = Object.entries(audio ?? {}) as [string, Fields | undefined][];
  return [
    ...Object.keys(others),
    ...sides.flatMap(([side, fields]) => Object.keys(fields ?? {}).map((field) => `audio.${side}.${field}`)),
  ];
}
