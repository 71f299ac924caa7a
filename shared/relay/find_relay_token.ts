import { findToken } from "../auth/mod.ts";

/**
 * The token of a request to the relay: from the sources of `findToken`, or from the subprotocol by which OpenAI's own
 * browser clients bring their key, as they have no other place for the user's token.
 */
export function findRelayToken(request: Request): string | undefined {
  return findToken(request)?.token ?? keySubprotocol(request.headers.get("sec-websocket-protocol"));
}

function keySubprotocol(offered: string | null): string | undefined {
  return offered?.match(/(?:^|,)\s*openai-insecure-api-key\.([^\s,]+)/i)?.[1];
}
