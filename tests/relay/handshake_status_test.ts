import { assertEquals } from "@std/assert";
import { handshakeStatus } from "../../shared/relay/handshake_status.ts";

const messages: { message: string | undefined; status: number | undefined }[] = [
  { message: "NetworkError: failed to connect to WebSocket: Invalid status code: 401", status: 401 },
  { message: "invalid status code: 503 Service Unavailable", status: 503 },
  { message: "NetworkError: failed to connect to WebSocket: Connection refused (os error 111)", status: undefined },
  { message: "failed at 127.0.0.1:401", status: undefined },
  { message: "Invalid status code: 40100", status: undefined },
  { message: "", status: undefined },
  { message: undefined, status: undefined },
];

for (const { message, status } of messages) {
  Deno.test(`handshakeStatus() reads ${status} in "${message}"`, () => assertEquals(handshakeStatus(message), status));
}
