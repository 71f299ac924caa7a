// @ts-types="./agents_realtime.d.ts"
import { OpenAIRealtimeWebSocket } from "@openai/agents-realtime";
import type { RealtimeServerEvent } from "openai/resources/realtime/realtime";
import { RelaySocket } from "../../../shared/client/relay_socket.ts";
import type { OpenClient } from "./conversing_client.ts";

/** The transport of `@openai/agents-realtime` on a `RelaySocket` that comes back. */
export const openAgents: OpenClient = ({ url, key }, listener) => {
  const socket = new RelaySocket(url, ["realtime"], { token: key, reconnect: true });
  const transport = new OpenAIRealtimeWebSocket({
    url,
    apiKey: "unused",
    model: "gpt-realtime",
    useInsecureApiKey: true,
    createWebSocket: () => Promise.resolve(socket),
  });
  socket.addEventListener("reconnecting", () => listener.lost(0));
  socket.addEventListener("close", ({ code, reason }) => listener.closed(code, reason));
  transport.on("*", (event) => listener.event(event as RealtimeServerEvent));
  transport.on("error", ({ error }) => {
    const isOfServer = (error as { type?: string } | undefined)?.type === "error" && !(error instanceof Event);
    if (!isOfServer) listener.error(String(error));
  });
  transport.connect({ apiKey: "unused" }).catch((error) => listener.error(String(error)));
  return {
    send: (event) => transport.sendEvent(event),
    close: () => transport.close(),
  };
};
