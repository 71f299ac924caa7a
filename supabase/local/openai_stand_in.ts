import { LLMock } from "@copilotkit/aimock";

/** A server that speaks OpenAI's Realtime protocol, for text turns. */
export interface OpenAiStandIn {
  /** `ws://127.0.0.1:PORT/v1/realtime`. */
  readonly url: string;
  close(): Promise<void>;
}

/** Starts a stand-in for OpenAI that asks for no key, so that the relay can be tried without one. */
export async function startOpenAiStandIn(): Promise<OpenAiStandIn> {
  const server = new LLMock({ host: "127.0.0.1", port: 0, logLevel: "silent" });
  server.onMessage(/\b(hello|hi|hey)\b/i, { content: "Hello! I am a stand-in for OpenAI on your own machine." });
  server.onMessage(/\b(who|what) are you\b/i, {
    content: "A stand-in: set OPENAI_API_KEY and start again to talk to the real one.",
  });
  server.onMessage(/./s, { content: "I heard you. Set OPENAI_API_KEY and start again for an answer worth having." });
  await server.start();
  return {
    url: `${server.url.replace(/^http/, "ws")}/v1/realtime`,
    close: () => server.stop(),
  };
}
