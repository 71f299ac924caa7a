import { concat } from "@std/bytes/concat";
import type { FaultyDelivery } from "../../supabase/local/realtime/faulty_delivery.ts";
import type { FromServer } from "./tcp_proxy.ts";

const CR = 13;
const LF = 10;
const [ARRAY, BULK] = ["*".charCodeAt(0), "$".charCodeAt(0)];

/** Puts faults on the messages that Redis pushes to its subscribers (RESP 2); answers to commands pass as they are. */
export function redisFaults(delivery: FaultyDelivery): FromServer {
  return (toClient) => {
    const client = {};
    let buffered: Uint8Array = new Uint8Array();
    return (bytes) => {
      buffered = concat([buffered, bytes]);
      for (let end = endOfReply(buffered, 0); end !== undefined; end = endOfReply(buffered, 0)) {
        const reply = buffered.slice(0, end);
        buffered = buffered.subarray(end);
        if (isPushedMessage(reply)) delivery.deliver(client, () => toClient(reply));
        else toClient(reply);
      }
    };
  };
}

/** Where the reply that begins at `start` ends; `undefined` while it is not all there. */
export function endOfReply(bytes: Uint8Array, start: number): number | undefined {
  const lineEnd = bytes.indexOf(LF, start) + 1;
  if (lineEnd === 0 || bytes[lineEnd - 2] !== CR) return undefined;
  const length = Number(new TextDecoder().decode(bytes.subarray(start + 1, lineEnd - 2)));
  if (bytes[start] === BULK && length >= 0) {
    const end = lineEnd + length + 2;
    return end <= bytes.length ? end : undefined;
  }
  let end: number | undefined = lineEnd;
  if (bytes[start] !== ARRAY) return end;
  for (let i = 0; i < length && end !== undefined; i++) end = endOfReply(bytes, end);
  return end;
}

function isPushedMessage(reply: Uint8Array): boolean {
  return new TextDecoder().decode(reply.subarray(0, 20)).startsWith("*3\r\n$7\r\nmessage\r\n");
}
