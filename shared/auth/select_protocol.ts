/** Subprotocols that carry a credential: our own, and those by which OpenAI's clients bring theirs. */
const CREDENTIAL = /^(?:jwt-|openai-insecure-api-key\.|openai-organization\.|openai-project\.)/i;

/** A subprotocol's name (RFC 6455 section 4.1): a token of RFC 9110 section 5.6.2. */
const NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/**
 * The subprotocol with which the server answers the header `Sec-WebSocket-Protocol`: the first offered that carries no
 * credential, else the first. A browser fails a connection whose offer is not answered, so one that brings its token as
 * its only subprotocol gets that back. Undefined when nothing can be answered.
 *
 * `Deno.upgradeWebSocket` splits the offer at `", "` exactly and throws for a name it does not find then. So does this;
 * who wants to answer a client that separates with a bare comma (npm's ws does) normalises the header first.
 */
export function selectProtocol(offered: string | null): string | undefined {
  if (!offered) return undefined;
  const names = offered.split(", ").filter((name) => NAME.test(name));
  return names.find((name) => !CREDENTIAL.test(name)) ?? names[0];
}
