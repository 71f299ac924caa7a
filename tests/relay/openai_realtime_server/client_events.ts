import * as z from "zod/mini";
import type {
  RealtimeClientEvent,
  RealtimeResponseCreateParams,
  RealtimeSessionCreateRequest,
} from "openai/resources/realtime/realtime";

/** The 15 MiB of audio that an event may hold, as base64. */
const MAX_APPENDED = 20 * 1024 * 1024;

const eventId = { event_id: z.optional(z.string().check(z.maxLength(512))) };
const Id = z.string().check(z.minLength(1), z.maxLength(32));
const itemFields = {
  id: z.optional(Id),
  object: z.optional(z.literal("realtime.item")),
  status: z.optional(z.enum(["completed", "incomplete", "in_progress"])),
};
const InputText = z.strictObject({ type: z.literal("input_text"), text: z.string() });

const Message = z.discriminatedUnion("role", [
  z.strictObject({
    ...itemFields,
    type: z.literal("message"),
    role: z.literal("system"),
    content: z.array(z.discriminatedUnion("type", [InputText])).check(z.minLength(1)),
  }),
  z.strictObject({
    ...itemFields,
    type: z.literal("message"),
    role: z.literal("user"),
    content: z.array(z.discriminatedUnion("type", [
      InputText,
      z.strictObject({
        type: z.literal("input_audio"),
        audio: z.string(),
        transcript: z.optional(z.string()),
      }),
      z.strictObject({
        type: z.literal("input_image"),
        image_url: z.string().check(z.startsWith("data:image/")),
        detail: z.optional(z.enum(["auto", "low", "high"])),
      }),
    ])).check(z.minLength(1)),
  }),
  z.strictObject({
    ...itemFields,
    type: z.literal("message"),
    role: z.literal("assistant"),
    // What a model has said cannot be put back as audio.
    content: z.array(z.discriminatedUnion("type", [
      z.strictObject({ type: z.literal("output_text"), text: z.string() }),
    ])).check(z.minLength(1)),
  }),
]);

const FunctionCall = z.strictObject({
  ...itemFields,
  type: z.literal("function_call"),
  name: z.string().check(z.minLength(1), z.maxLength(64)),
  arguments: z.string(),
  call_id: z.optional(Id),
});

const FunctionCallOutput = z.strictObject({
  ...itemFields,
  type: z.literal("function_call_output"),
  call_id: Id,
  output: z.string(),
});

const Item = z.discriminatedUnion("type", [Message, FunctionCall, FunctionCallOutput]);
const ItemReference = z.strictObject({ type: z.literal("item_reference"), id: Id });

const Format = z.strictObject({ type: z.literal("audio/pcm"), rate: z.optional(z.literal(24_000)) });
const Voice = z.union([
  z.enum(["alloy", "ash", "ballad", "coral", "echo", "sage", "shimmer", "verse", "marin", "cedar"]),
  z.strictObject({ id: z.string() }),
]);
const TurnDetection = z.discriminatedUnion("type", [
  z.strictObject({
    type: z.literal("server_vad"),
    create_response: z.optional(z.boolean()),
    interrupt_response: z.optional(z.boolean()),
    idle_timeout_ms: z.optional(z.nullable(z.number())),
    prefix_padding_ms: z.optional(z.number()),
    silence_duration_ms: z.optional(z.number().check(z.gte(0))),
    threshold: z.optional(z.number().check(z.gte(0), z.lte(1))),
  }),
  z.strictObject({
    type: z.literal("semantic_vad"),
    create_response: z.optional(z.boolean()),
    interrupt_response: z.optional(z.boolean()),
    eagerness: z.optional(z.enum(["low", "medium", "high", "auto"])),
  }),
]);
const Transcription = z.strictObject({
  model: z.optional(z.string()),
  language: z.optional(z.string()),
  languages: z.optional(z.array(z.string())),
  keywords: z.optional(z.array(z.string())),
  prompt: z.optional(z.string()),
  delay: z.optional(z.enum(["minimal", "low", "medium", "high", "xhigh"])),
});
const Tool = z.discriminatedUnion("type", [
  z.strictObject({
    type: z.literal("function"),
    name: z.string().check(z.minLength(1), z.maxLength(64)),
    description: z.optional(z.string()),
    parameters: z.optional(z.record(z.string(), z.unknown())),
  }),
  z.strictObject({
    type: z.literal("mcp"),
    server_label: z.string(),
    server_url: z.optional(z.string()),
    server_description: z.optional(z.string()),
    connector_id: z.optional(z.string()),
    authorization: z.optional(z.string()),
    headers: z.optional(z.nullable(z.record(z.string(), z.string()))),
    allowed_tools: z.optional(z.unknown()),
    require_approval: z.optional(z.unknown()),
  }),
]);
/** What a session and a single response have in common. */
const generation = {
  instructions: z.optional(z.string()),
  // Both at once cannot be asked for: audio brings its transcript.
  output_modalities: z.optional(z.array(z.enum(["text", "audio"])).check(z.length(1))),
  max_output_tokens: z.optional(z.union([z.literal("inf"), z.int().check(z.gte(1), z.lte(4_096))])),
  parallel_tool_calls: z.optional(z.boolean()),
  prompt: z.optional(z.nullable(z.strictObject({
    id: z.string(),
    version: z.optional(z.nullable(z.string())),
    variables: z.optional(z.nullable(z.record(z.string(), z.unknown()))),
  }))),
  reasoning: z.optional(z.strictObject({
    effort: z.optional(z.enum(["minimal", "low", "medium", "high", "xhigh"])),
  })),
  tool_choice: z.optional(z.union([
    z.enum(["none", "auto", "required"]),
    z.strictObject({ type: z.literal("function"), name: z.string() }),
    z.strictObject({ type: z.literal("mcp"), server_label: z.string(), name: z.optional(z.string()) }),
  ])),
  tools: z.optional(z.array(Tool)),
};

const Session = z.strictObject({
  ...generation,
  type: z.literal("realtime"),
  model: z.optional(z.string()),
  include: z.optional(z.array(z.literal("item.input_audio_transcription.logprobs"))),
  tracing: z.optional(z.nullable(z.union([
    z.literal("auto"),
    z.strictObject({
      group_id: z.optional(z.string()),
      metadata: z.optional(z.unknown()),
      workflow_name: z.optional(z.string()),
    }),
  ]))),
  truncation: z.optional(z.union([
    z.enum(["auto", "disabled"]),
    z.strictObject({
      type: z.literal("retention_ratio"),
      retention_ratio: z.number().check(z.gte(0), z.lte(1)),
      token_limits: z.optional(z.strictObject({ post_instructions: z.optional(z.number()) })),
    }),
  ])),
  audio: z.optional(z.strictObject({
    input: z.optional(z.strictObject({
      format: z.optional(Format),
      noise_reduction: z.optional(z.nullable(z.strictObject({
        type: z.optional(z.enum(["near_field", "far_field"])),
        strength: z.optional(z.number()),
      }))),
      transcription: z.optional(z.nullable(Transcription)),
      turn_detection: z.optional(z.nullable(TurnDetection)),
    })),
    output: z.optional(z.strictObject({
      format: z.optional(Format),
      speed: z.optional(z.number().check(z.gte(0.25), z.lte(1.5))),
      voice: z.optional(Voice),
    })),
  })),
});

const ResponseParams = z.strictObject({
  ...generation,
  audio: z.optional(z.strictObject({
    output: z.optional(z.strictObject({ format: z.optional(Format), voice: z.optional(Voice) })),
  })),
  conversation: z.optional(z.enum(["auto", "none"])),
  input: z.optional(z.array(z.discriminatedUnion("type", [Message, FunctionCall, FunctionCallOutput, ItemReference]))),
  metadata: z.optional(z.nullable(z.record(z.string().check(z.maxLength(64)), z.string().check(z.maxLength(512))))),
});

/** Every event that a client may send over a WebSocket, and nothing else: a field that is not known is refused. */
export const ClientEvent = z.discriminatedUnion("type", [
  z.strictObject({ ...eventId, type: z.literal("session.update"), session: Session }),
  z.strictObject({
    ...eventId,
    type: z.literal("input_audio_buffer.append"),
    audio: z.string().check(z.maxLength(MAX_APPENDED)),
  }),
  z.strictObject({ ...eventId, type: z.literal("input_audio_buffer.commit") }),
  z.strictObject({ ...eventId, type: z.literal("input_audio_buffer.clear") }),
  z.strictObject({
    ...eventId,
    type: z.literal("conversation.item.create"),
    previous_item_id: z.optional(z.string()),
    item: Item,
  }),
  z.strictObject({ ...eventId, type: z.literal("conversation.item.retrieve"), item_id: z.string() }),
  z.strictObject({ ...eventId, type: z.literal("conversation.item.delete"), item_id: z.string() }),
  z.strictObject({
    ...eventId,
    type: z.literal("conversation.item.truncate"),
    item_id: z.string(),
    content_index: z.literal(0),
    audio_end_ms: z.int().check(z.gte(0)),
  }),
  z.strictObject({
    ...eventId,
    type: z.literal("response.create"),
    response: z.optional(ResponseParams),
  }),
  z.strictObject({ ...eventId, type: z.literal("response.cancel"), response_id: z.optional(z.string()) }),
]);

export type ClientEvent = z.infer<typeof ClientEvent>;
export type SessionConfig = z.infer<typeof Session>;
export type ResponseParams = z.infer<typeof ResponseParams>;
export type Item = z.infer<typeof Item>;
export type ItemReference = z.infer<typeof ItemReference>;

type Same<A, B> = [A, B] extends [B, A] ? true : never;
type EventOf<Type> = Extract<ClientEvent, { type: Type }>;
type PublishedEventOf<Type> = Extract<RealtimeClientEvent, { type: Type }>;

/** Does not compile where events, or fields of a session and a response, are others than the published ones. */
export const IS_AS_PUBLISHED: readonly true[] = [
  // `output_audio_buffer.clear` is for WebRTC and SIP.
  true satisfies Same<ClientEvent["type"], Exclude<RealtimeClientEvent["type"], "output_audio_buffer.clear">>,
  true satisfies Same<keyof SessionConfig, keyof RealtimeSessionCreateRequest>,
  true satisfies Same<keyof ResponseParams, keyof RealtimeResponseCreateParams>,
  true satisfies Same<keyof EventOf<EventNames>, keyof PublishedEventOf<EventNames>>,
];
type EventNames = ClientEvent["type"];
