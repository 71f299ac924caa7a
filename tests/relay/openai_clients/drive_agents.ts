// @ts-types="./agents_realtime.d.ts"
import { OpenAIRealtimeWebSocket } from "@openai/agents-realtime";
import type { RealtimeServerEvent } from "openai/resources/realtime/realtime";
import { type ClientDriver, INSTRUCTIONS, type Place, WEATHER } from "./client_driver.ts";

/** The WebSocket transport of `@openai/agents-realtime`, by its own methods; it cuts what is spoken into by itself. */
export function driveAgents({ url, key }: Place): ClientDriver {
  const errors: string[] = [];
  const transport = new OpenAIRealtimeWebSocket({ url, apiKey: key, model: "gpt-realtime", useInsecureApiKey: true });
  const config = { instructions: INSTRUCTIONS, tools: [{ ...WEATHER, strict: true }] };
  transport.on("error", ({ error }) => errors.push(describe(error)));
  transport.connect({ apiKey: key, initialSessionConfig: config }).catch((error) => errors.push(describe(error)));
  return {
    errors,
    onEvent: (listener) => transport.on("*", (event) => listener(event as RealtimeServerEvent)),
    configure: (modality) => transport.updateSessionConfig({ ...config, outputModalities: [modality] }),
    ask: (text) => transport.sendMessage(text, {}),
    sendAudio: (audio) => transport.sendAudio(audio.buffer),
    giveOutput({ id, call_id, name, arguments: args }, output) {
      transport.sendFunctionCallOutput(
        { type: "function_call", id, callId: call_id!, name, arguments: args, responseId: "" },
        output,
        true,
      );
    },
    cutOff() {},
    close: () => transport.close(),
  };
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : JSON.stringify(error) ?? String(error);
}
