/** The address of a function's sockets on the server that this page came from; parameters without a value are left out. */
export function functionAddress(path: string, query: Readonly<Record<string, string | undefined>>): URL {
  const url = new URL(`/functions/v1/${path}`, location.href);
  url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  for (const [name, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(name, value);
  return url;
}
