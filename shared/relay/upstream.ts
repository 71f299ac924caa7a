import type { BufferBudget } from "../connection/mod.ts";
import type { Failure } from "../protocol/codes.ts";
import type { Result } from "../protocol/result.ts";
import type { Interceptor } from "./interceptor.ts";

/** Where to dial, with the credentials in it: for `new WebSocket` and nothing else. */
export interface UpstreamAddress {
  /** With the secret in its query, where it belongs there. */
  readonly url: URL;
  /** With the secret among them, where it belongs there. */
  readonly protocols: readonly string[];
}

/** A client on its way to an upstream. */
export interface PipedClient {
  /** Whose token it brought. */
  readonly userId: string;
  /** The query that it came with. */
  readonly query: URLSearchParams;
  /** Where the upstream will be dialled. */
  readonly address: UpstreamAddress;
  /** What its queues may hold together with all others of the isolate; left out, each has its own bound only. */
  readonly buffers?: BufferBudget;
  /** Keeps the isolate until a promise has settled, for what is to be done once the client has gone. */
  waitUntil(promise: Promise<unknown>): void;
}

/** A server that clients may reach through the relay. Its secret shows in no property of it. */
export interface Upstream {
  /** By which clients ask for it. */
  readonly name: string;
  /** The subprotocols it is dialled with that hold no secret: a client that offers one of them gets it as its answer. */
  readonly protocols: readonly string[];
  /**
   * The address for a client that came to `/relay/NAME` + `path` with this query; `undefined` where there is nothing at
   * this path. Of the query only the parameters pass that the upstream's definition allows.
   */
  address(path: string, query: URLSearchParams): UpstreamAddress | undefined;
  /** `text` with the secret, should it be in there, replaced. */
  redact(text: string): string;
  /** What stands in a client's pipe, or why it may not have one; left out, frames pass as they are. */
  readonly intercept?: (client: PipedClient) => Result<Interceptor, Failure>;
}

/** How an upstream is defined. */
export interface UpstreamDefinition {
  readonly name: string;
  /** `ws://` or `wss://`. */
  readonly url: string;
  /** Subprotocols to offer to the upstream; default none. */
  readonly subprotocols?: readonly string[];
  /** Put in place of `{secret}` in `subprotocols` and in the values of the URL's query. */
  readonly secret?: string;
  /** Parameters of a client's query that are passed on; they replace those of `url` with the same name. Default none. */
  readonly query?: readonly string[];
  /** What may follow the upstream's name in the client's URL; default nothing. */
  readonly paths?: readonly string[];
}

/** Stands for the secret in a definition. */
const SECRET_PLACEHOLDER = "{secret}";

/** A subprotocol's name (RFC 6455 section 4.1): a token of RFC 9110 section 5.6.2. */
const PROTOCOL = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
/** The parameters that carry the user's own credentials to this function: no upstream is to see them. */
export const CREDENTIAL_PARAMETERS: ReadonlySet<string> = new Set(["jwt", "token", "apikey"]);

/**
 * Makes an upstream of its definition.
 * @throws {RangeError} that says what is wrong with it, and quotes neither its secret nor its URL.
 */
export function defineUpstream(definition: UpstreamDefinition): Upstream {
  const { name, subprotocols = [], secret, query: allowed = [], paths = [] } = definition;
  const url = socketUrl(definition.url);
  for (const parameter of allowed) checkParameter(parameter, url);
  if (usesSecret(definition.url, subprotocols) !== (secret !== undefined)) {
    const flaw = secret === undefined
      ? `${SECRET_PLACEHOLDER} stands for a secret that is not named`
      : `the secret must be used: write ${SECRET_PLACEHOLDER} in a subprotocol or a value of the URL's query`;
    throw new RangeError(flaw);
  }
  const fill = (template: string) => template.replaceAll(SECRET_PLACEHOLDER, secret ?? "");
  const protocols = subprotocols.map(fill);
  checkProtocols(protocols);
  fillQuery(url, fill);
  return {
    name,
    protocols: subprotocols.filter((template) => !template.includes(SECRET_PLACEHOLDER)),
    address(path, query) {
      if (path !== "" && path !== "/" && !paths.includes(path)) return undefined;
      const own = new URL(url);
      for (const parameter of allowed) passParameter(parameter, query, own);
      return { url: own, protocols };
    },
    redact: (text) => secret ? text.replaceAll(secret, "***") : text,
  };
}

function socketUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !/^wss?:$/.test(url.protocol) || url.username || url.password || url.hash) {
    throw new RangeError(
      "url must be a ws:// or wss:// URL without credentials before the host and without a fragment",
    );
  }
  // Anywhere else it would be logged by whatever stands in between, or change where the secret goes.
  if (/%7B/i.test(url.pathname) || url.host.includes("{")) {
    throw new RangeError(`${SECRET_PLACEHOLDER} may stand in a subprotocol and in a value of the URL's query only`);
  }
  return url;
}

function usesSecret(url: string, subprotocols: readonly string[]): boolean {
  return [...new URL(url).searchParams.values(), ...subprotocols].some((text) => text.includes(SECRET_PLACEHOLDER));
}

function checkParameter(parameter: string, url: URL): void {
  if (CREDENTIAL_PARAMETERS.has(parameter.toLowerCase())) {
    throw new RangeError(`query must not hold "${parameter}": it carries the user's credentials to this function`);
  }
  if (url.searchParams.getAll(parameter).some((value) => value.includes(SECRET_PLACEHOLDER))) {
    throw new RangeError(`query must not hold "${parameter}", which carries the secret: a client could replace it`);
  }
}

function checkProtocols(protocols: readonly string[]): void {
  // The runtime's own error for these would quote the secret.
  if (!protocols.every((protocol) => PROTOCOL.test(protocol))) {
    throw new RangeError("subprotocols must hold letters, digits and !#$%&'*+.^_`|~- only, the secret as well");
  }
  const distinct = new Set(protocols.map((protocol) => protocol.toLowerCase()));
  if (distinct.size < protocols.length) throw new RangeError("subprotocols must differ from one another");
}

function fillQuery(url: URL, fill: (template: string) => string): void {
  const filled = [...url.searchParams].map(([name, value]) => [name, fill(value)]);
  if (filled.length > 0) url.search = new URLSearchParams(filled).toString();
}

function passParameter(parameter: string, from: URLSearchParams, to: URL): void {
  const values = from.getAll(parameter);
  if (values.length === 0) return;
  to.searchParams.delete(parameter);
  for (const value of values) to.searchParams.append(parameter, value);
}
