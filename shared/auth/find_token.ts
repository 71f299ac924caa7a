/** Where a token can stand in a request, in the order in which they are looked at. */
export type TokenSource = "authorization" | "subprotocol" | "jwt" | "token";

/** A token as the caller sent it: nothing about it is checked. */
export interface FoundToken {
  /** The token as it came, not checked yet. */
  readonly token: string;
  /** Where it was. */
  readonly source: TokenSource;
}

/**
 * The token of a request, from the first of these that has one: the header `Authorization: Bearer TOKEN`, the
 * subprotocol `jwt-TOKEN`, and the query's `?jwt=TOKEN` and `?token=TOKEN`, which is what a browser can send. An empty
 * one counts as none; one that turns out to be refused does not send the search on.
 */
export function findToken(request: Request): FoundToken | undefined {
  const { headers } = request;
  const bearer = bearerToken(headers.get("authorization"));
  if (bearer) return { token: bearer, source: "authorization" };
  const subprotocol = subprotocolToken(headers.get("sec-websocket-protocol"));
  if (subprotocol) return { token: subprotocol, source: "subprotocol" };

  const queryStart = request.url.indexOf("?");
  if (queryStart < 0) return undefined;
  const query = new URLSearchParams(request.url.slice(queryStart));
  const jwt = query.get("jwt");
  if (jwt) return { token: jwt, source: "jwt" };
  const token = query.get("token");
  if (token) return { token, source: "token" };
  return undefined;
}

function bearerToken(header: string | null): string | undefined {
  return header?.match(/^bearer +(\S+)$/i)?.[1];
}

function subprotocolToken(offered: string | null): string | undefined {
  return offered?.match(/(?:^|,)\s*jwt-([^\s,]+)/)?.[1];
}
