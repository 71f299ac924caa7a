/** Where the platform's gateway serves functions; they see their path without it. */
const FUNCTIONS_PREFIX = "/functions/v1";

/** What the hosted gateway names as host, to every function of every project: nobody can connect there. */
const PLATFORM_HOST = "edge-runtime.supabase.com";

/**
 * The address to open a WebSocket at, as the caller of `request` knows it: behind the platform's gateway, or straight at
 * the function where no proxy says `X-Forwarded-Host`. Without the query, which may hold a token. `projectUrl` stands in
 * where the gateway hides the host that was asked.
 */
export function connectUrl(request: Request, projectUrl?: URL): string {
  const { host, pathname, protocol } = new URL(request.url);
  const scheme = (forwarded(request, "x-forwarded-proto") ?? protocol.slice(0, -1)) === "https" ? "wss" : "ws";
  const forwardedHost = forwarded(request, "x-forwarded-host");
  if (!forwardedHost) return `${scheme}://${host}${pathname}`;
  const path = pathname.startsWith(`${FUNCTIONS_PREFIX}/`) ? pathname : FUNCTIONS_PREFIX + pathname;
  if (forwardedHost === PLATFORM_HOST && projectUrl) return `${scheme}://${projectUrl.host}${path}`;
  return `${scheme}://${withPort(forwardedHost, forwarded(request, "x-forwarded-port"), scheme)}${path}`;
}

/** Some proxies name the port apart. */
function withPort(host: string, port: string | undefined, scheme: "ws" | "wss"): string {
  const isNamed = /:\d+$/.test(host) || !port || port === (scheme === "wss" ? "443" : "80");
  return isNamed ? host : `${host}:${port}`;
}

/** What the outermost of several proxies said. */
function forwarded(request: Request, header: string): string | undefined {
  return request.headers.get(header)?.split(",", 1)[0]?.trim();
}
