import * as z from "zod/mini";

/** Members of a JSON object. */
export type Fields = Readonly<Record<string, unknown>>;

const object = () => z.looseObject({}, "must be an object");
const textOrObject = z.union([z.string(), object()], "must be a string or an object");
const list = <T extends z.core.$ZodType>(element: T) => z.array(element, "must be a list");
const text = () => z.string("must be a string");

/** The most tokens that a response may have. */
const MaxOutputTokens = z.union(
  [z.int().check(z.gte(1)), z.literal("inf")],
  'must be a whole number >= 1 or "inf"',
);

/**
 * The fields of a session that can be set (`RealtimeSessionCreateRequest` of the package `openai`), but for `type` and `model`,
 * which a session is born with. Of their values only what is looked at here is checked: the rest is for OpenAI to judge.
 */
const SESSION = {
  include: list(text()),
  instructions: text(),
  max_output_tokens: MaxOutputTokens,
  output_modalities: list(text()),
  parallel_tool_calls: z.boolean("must be true or false"),
  prompt: object(),
  reasoning: object(),
  tool_choice: textOrObject,
  tools: list(z.looseObject({ type: z.optional(text()) }, "must be an object")),
  tracing: textOrObject,
  truncation: textOrObject,
};

/** What a client may send is null where OpenAI takes it for "none" or "the default". */
function orNull<Shape extends Readonly<Record<string, z.core.$ZodType>>>(shape: Shape) {
  const entries = Object.entries(shape).map(([name, schema]) => [name, z.optional(z.nullable(schema))]);
  return Object.fromEntries(entries) as { [Name in keyof Shape]: z.ZodMiniOptional<z.ZodMiniNullable<Shape[Name]>> };
}

/** An item of a conversation, as far as it is looked at here. */
export const Item = z.looseObject({
  type: text(),
  ...orNull({
    role: text(),
    content: list(z.looseObject({ type: text() }, "must be an object")),
  }),
}, "must be an object");
export type Item = z.infer<typeof Item>;

const settable = orNull({
  ...SESSION,
  audio: z.looseObject(orNull({ input: object(), output: object() }), "must be an object"),
});

/** `session` of `session.update`. */
export const Session = z.looseObject(settable, "must be an object");
export type Session = z.infer<typeof Session>;

/** `response` of `response.create`. */
export const Response = z.looseObject({
  ...settable,
  ...orNull({ conversation: text(), input: list(Item), metadata: object() }),
}, "must be an object");
export type Response = z.infer<typeof Response>;

/** The names of the fields of a session. */
export const SESSION_FIELDS = ["audio", ...Object.keys(SESSION)];

/** The fields of `response.create` that do not stand for one of the session: what the response is about. */
export const RESPONSE_FIELDS = ["conversation", "input", "metadata"];

/** The fields of `audio`. Each is one value: a part of a format or of a turn detection is never mixed with another's. */
export const AUDIO_FIELDS: Readonly<Record<string, readonly string[]>> = {
  input: ["format", "noise_reduction", "transcription", "turn_detection"],
  output: ["format", "speed", "voice"],
};

const optionals = <Shape extends Readonly<Record<string, z.core.$ZodType>>>(shape: Shape) =>
  z.partial(z.strictObject(shape, "must be an object"));

/** A part of a session as a deployer sets it: a field that is not known is a mistake. */
export const SessionSettings = optionals({
  ...SESSION,
  prompt: z.nullable(SESSION.prompt),
  tracing: z.nullable(SESSION.tracing),
  audio: optionals({
    input: optionals({
      format: object(),
      noise_reduction: z.nullable(object()),
      transcription: z.nullable(object()),
      turn_detection: z.nullable(object()),
    }),
    output: optionals({ format: object(), speed: z.number("must be a number"), voice: textOrObject }),
  }),
});
export type SessionSettings = z.infer<typeof SessionSettings>;
