import type { RealtimeClientEvent } from "openai/resources/realtime/realtime";

/**
 * The part of `@openai/agents-realtime` that is used here. The package's own types bring the DOM's with them, for every
 * file that is checked beside them.
 */
export interface TransportToolCall {
  readonly type: "function_call";
  readonly id?: string;
  readonly callId: string;
  readonly name: string;
  readonly arguments: string;
  readonly responseId: string;
}

export interface SessionConfig {
  readonly instructions?: string;
  readonly tools?: readonly unknown[];
  readonly outputModalities?: readonly ("text" | "audio")[];
}

export class OpenAIRealtimeWebSocket {
  constructor(options: {
    readonly url: string;
    readonly apiKey: string;
    readonly model: string;
    readonly useInsecureApiKey: true;
    readonly createWebSocket?: (options: { url: string; apiKey: string }) => Promise<WebSocket>;
  });
  on(event: "*", listener: (event: unknown) => void): void;
  on(event: "error", listener: (event: { error: unknown }) => void): void;
  connect(options: { readonly apiKey: string; readonly initialSessionConfig?: SessionConfig }): Promise<void>;
  updateSessionConfig(config: SessionConfig): void;
  sendEvent(event: RealtimeClientEvent): void;
  sendMessage(text: string, otherEventData: Record<string, never>): void;
  sendAudio(audio: ArrayBuffer): void;
  sendFunctionCallOutput(call: TransportToolCall, output: string, startResponse: boolean): void;
  close(): void;
}
