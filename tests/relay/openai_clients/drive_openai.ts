import { OpenAIRealtimeWebSocket } from "openai/realtime/websocket";
import { encodeAudio } from "../openai_realtime_server/base64_audio.ts";
import { type ClientDriver, INSTRUCTIONS, type Place, WEATHER } from "./client_driver.ts";

/** The client of the package `openai`, as its documentation uses it. */
export function driveOpenAi({ url, key }: Place): ClientDriver {
  const errors: string[] = [];
  const client = new OpenAIRealtimeWebSocket(
    { model: "gpt-realtime", dangerouslyAllowBrowser: true, buildRealtimeURL: () => new URL(url), reconnect: true },
    { apiKey: key, baseURL: "https://openai.invalid/v1" },
  );
  client.on("error", (error) => errors.push(error.message));
  return {
    errors,
    onEvent: (listener) => client.on("event", listener),
    configure(modality) {
      client.send({
        type: "session.update",
        session: {
          type: "realtime",
          output_modalities: [modality],
          instructions: INSTRUCTIONS,
          tools: [WEATHER],
          audio: {
            input: { transcription: { model: "gpt-4o-mini-transcribe" }, turn_detection: { type: "semantic_vad" } },
          },
        },
      });
    },
    ask(text) {
      const content = [{ type: "input_text" as const, text }];
      client.send({ type: "conversation.item.create", item: { type: "message", role: "user", content } });
      client.send({ type: "response.create" });
    },
    sendAudio: (audio) => client.send({ type: "input_audio_buffer.append", audio: encodeAudio(audio) }),
    giveOutput({ call_id }, output) {
      client.send({
        type: "conversation.item.create",
        item: { type: "function_call_output", call_id: call_id!, output },
      });
      client.send({ type: "response.create" });
    },
    cutOff(item_id, audio_end_ms) {
      client.send({ type: "conversation.item.truncate", item_id, content_index: 0, audio_end_ms });
    },
    close: () => client.close(),
  };
}
