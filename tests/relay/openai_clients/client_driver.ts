import type { RealtimeConversationItemFunctionCall, RealtimeServerEvent } from "openai/resources/realtime/realtime";

/** What a talk does with one of OpenAI's clients, in that client's own way. */
export interface ClientDriver {
  /** Hears of every event of the server. */
  onEvent(listener: (event: RealtimeServerEvent) => void): void;
  /** Says how the session is to be; the same each time but for what the answers are: text or speech. */
  configure(modality: "text" | "audio"): void;
  /** Writes to the model, and asks for an answer. */
  ask(text: string): void;
  /** Sends audio: turns are detected by the server. */
  sendAudio(audio: Uint8Array<ArrayBuffer>): void;
  /** Gives what a function gave, and asks for an answer. */
  giveOutput(call: RealtimeConversationItemFunctionCall, output: string): void;
  /** Called when somebody speaks into an answer of which `heardMs` were played: cuts it there. */
  cutOff(itemId: string, heardMs: number): void;
  /** What the client itself has reported as wrong. */
  readonly errors: readonly string[];
  close(): void;
}

/** Where a client connects, and with what: a key of OpenAI's, or a user's token for the relay. */
export interface Place {
  /** `wss://…/realtime?model=…`, or the relay's. */
  readonly url: string;
  readonly key: string;
}

/** The function that the talks' model may call. */
export const WEATHER = {
  type: "function" as const,
  name: "weather",
  description: "The weather in a city.",
  parameters: {
    type: "object" as const,
    properties: { city: { type: "string" } },
    required: ["city"],
    additionalProperties: false as const,
  },
};
export const INSTRUCTIONS = "Be brief.";
