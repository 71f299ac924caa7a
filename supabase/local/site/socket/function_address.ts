/** What a socket is opened with. */
export interface SocketAddress {
  readonly url: URL;
  readonly protocols: readonly string[];
}

/**
 * The address of a function's sockets on the server that this page came from; parameters without a value are left out.
 * The token goes by subprotocol, since browsers write the URL of a socket that fails into their console.
 */
export function functionAddress(
  path: string,
  query: Readonly<Record<string, string | undefined>>,
  token?: string,
): SocketAddress {
  const url = new URL(`/functions/v1/${path}`, location.href);
  url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  for (const [name, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(name, value);
  return { url, protocols: token === undefined ? [] : [`jwt-${token}`] };
}
