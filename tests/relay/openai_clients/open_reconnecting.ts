import { OpenAIRealtimeWebSocket } from "openai/realtime/websocket";
import type { OpenClient } from "./conversing_client.ts";

/** The client of the package `openai` with `reconnect: true`. */
export const openReconnecting: OpenClient = ({ url, key }, listener) => {
  const client = new OpenAIRealtimeWebSocket({
    model: "gpt-realtime",
    dangerouslyAllowBrowser: true,
    buildRealtimeURL: () => new URL(url),
    reconnect: true,
    maxReconnectAttempts: 1_000,
    reconnectInitialDelay: 50,
    reconnectMaxDelay: 500,
  }, { apiKey: key, baseURL: "https://openai.invalid/v1" });
  client.on("event", listener.event);
  client.on("error", ({ message, error }) => {
    if (error === undefined) listener.error(message);
  });
  client.on("close", listener.closed);
  client.on("reconnecting", ({ closeCode }) => listener.lost(closeCode));
  return {
    send: (event) => client.send(event),
    close: () => client.close({ code: 1000, reason: "done" }),
  };
};
