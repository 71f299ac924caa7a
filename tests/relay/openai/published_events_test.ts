import { assertEquals } from "@std/assert";
import type {
  RealtimeClientEvent,
  RealtimeResponseCreateParams,
  RealtimeServerEvent,
  RealtimeSessionCreateRequest,
} from "openai/resources/realtime/realtime";
import { CLIENT_EVENTS } from "../../../shared/relay/openai/client_events.ts";
import { SERVER_EVENTS } from "../../../shared/relay/openai/server_events.ts";
import { RESPONSE_FIELDS, SESSION_FIELDS } from "../../../shared/relay/openai/session_fields.ts";

/** Each a compile error where the package `openai` has one more, or one less. */
const CLIENT = {
  "conversation.item.create": true,
  "conversation.item.delete": true,
  "conversation.item.retrieve": true,
  "conversation.item.truncate": true,
  "input_audio_buffer.append": true,
  "input_audio_buffer.clear": true,
  "input_audio_buffer.commit": true,
  "output_audio_buffer.clear": true,
  "response.cancel": true,
  "response.create": true,
  "session.update": true,
} satisfies Record<RealtimeClientEvent["type"], true>;
const SESSION = {
  audio: true,
  include: true,
  instructions: true,
  max_output_tokens: true,
  output_modalities: true,
  parallel_tool_calls: true,
  prompt: true,
  reasoning: true,
  tool_choice: true,
  tools: true,
  tracing: true,
  truncation: true,
} satisfies Record<Exclude<keyof RealtimeSessionCreateRequest, "type" | "model">, true>;
const RESPONSE = {
  conversation: true,
  input: true,
  metadata: true,
} satisfies Record<Exclude<keyof RealtimeResponseCreateParams, keyof typeof SESSION>, true>;
const SERVER = {
  "conversation.created": true,
  "conversation.item.added": true,
  "conversation.item.created": true,
  "conversation.item.deleted": true,
  "conversation.item.done": true,
  "conversation.item.input_audio_transcription.completed": true,
  "conversation.item.input_audio_transcription.delta": true,
  "conversation.item.input_audio_transcription.failed": true,
  "conversation.item.input_audio_transcription.segment": true,
  "conversation.item.retrieved": true,
  "conversation.item.truncated": true,
  "error": true,
  "input_audio_buffer.cleared": true,
  "input_audio_buffer.committed": true,
  "input_audio_buffer.dtmf_event_received": true,
  "input_audio_buffer.speech_started": true,
  "input_audio_buffer.speech_stopped": true,
  "input_audio_buffer.timeout_triggered": true,
  "mcp_list_tools.completed": true,
  "mcp_list_tools.failed": true,
  "mcp_list_tools.in_progress": true,
  "output_audio_buffer.cleared": true,
  "output_audio_buffer.started": true,
  "output_audio_buffer.stopped": true,
  "rate_limits.updated": true,
  "response.content_part.added": true,
  "response.content_part.done": true,
  "response.created": true,
  "response.done": true,
  "response.function_call_arguments.delta": true,
  "response.function_call_arguments.done": true,
  "response.mcp_call.completed": true,
  "response.mcp_call.failed": true,
  "response.mcp_call.in_progress": true,
  "response.mcp_call_arguments.delta": true,
  "response.mcp_call_arguments.done": true,
  "response.output_audio.delta": true,
  "response.output_audio.done": true,
  "response.output_audio_transcript.delta": true,
  "response.output_audio_transcript.done": true,
  "response.output_item.added": true,
  "response.output_item.done": true,
  "response.output_text.delta": true,
  "response.output_text.done": true,
  "session.created": true,
  "session.updated": true,
} satisfies Record<RealtimeServerEvent["type"], true>;

Deno.test("the events and fields that the policy knows are those that OpenAI publishes", () => {
  const sorted = (names: Iterable<string>) => [...names].sort();
  assertEquals(sorted(CLIENT_EVENTS), sorted(Object.keys(CLIENT)));
  assertEquals(sorted(SERVER_EVENTS), sorted(Object.keys(SERVER)));
  assertEquals(sorted(SESSION_FIELDS), sorted(Object.keys(SESSION)));
  assertEquals(sorted(RESPONSE_FIELDS), sorted(Object.keys(RESPONSE)));
});
