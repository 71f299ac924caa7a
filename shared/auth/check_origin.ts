/**
 * Whether a page of the request's origin may connect. Browsers do not hold WebSockets to the same-origin policy, so the
 * server does (RFC 6455 section 10.2). With `allowedOrigins` empty the page must come from the host that was asked;
 * otherwise its origin must be in the list, whose entries come from `parseAllowedOrigins`. A caller that sends no
 * `Origin` is no page and passes.
 */
export function checkOrigin(request: Request, allowedOrigins: readonly string[]): boolean {
  const origin = request.headers.get("origin")?.toLowerCase();
  if (origin === undefined) return true;
  if (allowedOrigins.length === 0) return isSameOrigin(origin, request);
  return allowedOrigins.some((allowed) => matches(origin, allowed));
}

function matches(origin: string, allowed: string): boolean {
  if (allowed === "*" || allowed === origin) return true;
  const [before, after, ...rest] = allowed.split("*");
  if (before === undefined || after === undefined || rest.length > 0) return false;
  if (!origin.startsWith(before) || !origin.endsWith(after)) return false;
  return /^[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/.test(origin.slice(before.length, -after.length));
}

/**
 * Hosts are compared, not schemes: behind a gateway that ends TLS a function sees `http`. The function may also see a
 * host of its own, and the one that the page named only as `X-Forwarded-Host`, the port apart.
 */
function isSameOrigin(origin: string, { headers, url }: Request): boolean {
  if (!URL.canParse(origin)) return false;
  const { host: originHost, protocol } = new URL(origin);
  if (originHost === "") return false;
  const forwardedHost = firstOf(headers.get("x-forwarded-host"));
  const forwardedPort = firstOf(headers.get("x-forwarded-port"));
  return [
    headers.get("host"),
    forwardedHost,
    forwardedHost && forwardedPort && `${forwardedHost}:${forwardedPort}`,
    new URL(url).host,
  ].some((host) => host && originHost === withoutDefaultPort(host, protocol));
}

/** What the outermost of several proxies said. */
function firstOf(list: string | null): string | undefined {
  return list?.split(",", 1)[0]?.trim();
}

function withoutDefaultPort(host: string, protocol: string): string | undefined {
  const url = `${protocol}//${host}`;
  return URL.canParse(url) ? new URL(url).host : undefined;
}
