import { assertEquals } from "@std/assert";
import { findRelayToken } from "../../shared/relay/find_relay_token.ts";

const requests: { name: string; query?: string; headers?: Record<string, string>; token: string | undefined }[] = [
  { name: "none", token: undefined },
  { name: "the query", query: "?jwt=A", token: "A" },
  { name: "the subprotocol of our own", headers: { "sec-websocket-protocol": "jwt-A" }, token: "A" },
  {
    name: "OpenAI's subprotocol",
    headers: { "sec-websocket-protocol": "realtime, openai-insecure-api-key.A.b-c_d, openai-beta.x" },
    token: "A.b-c_d",
  },
  {
    name: "OpenAI's subprotocol, separated by a bare comma",
    headers: { "sec-websocket-protocol": "realtime,openai-insecure-api-key.A" },
    token: "A",
  },
  {
    name: "the query before OpenAI's subprotocol, where a client must bring some key",
    query: "?jwt=A",
    headers: { "sec-websocket-protocol": "realtime, openai-insecure-api-key.unused" },
    token: "A",
  },
  { name: "none in an empty key", headers: { "sec-websocket-protocol": "openai-insecure-api-key." }, token: undefined },
  {
    name: "none in a name that only ends so",
    headers: { "sec-websocket-protocol": "x-openai-insecure-api-key.A" },
    token: undefined,
  },
];

for (const { name, query = "", headers, token } of requests) {
  Deno.test(`findRelayToken() finds ${name}`, () => {
    assertEquals(findRelayToken(new Request(`http://127.0.0.1/relay/openai${query}`, { headers })), token);
  });
}
