import type { IncomingMessage } from "node:http";

const LOOPBACK = new Set(["127.0.0.1", "localhost", "[::1]"]);

/**
 * Whether a request comes from the page that this server itself serves, or from no page at all: no other site may use a
 * browser on this machine to do something here.
 *
 * - `Host` must name the loopback: a foreign name that was pointed here (DNS rebinding) is refused.
 * - `Origin`, which browsers put on every request that changes something, must be the same host.
 * - `Sec-Fetch-Site`, where a browser sends it, must say the same; `none` is what a user typed.
 */
export function isFromThisPage({ headers }: IncomingMessage): boolean {
  const { host = "", origin } = headers;
  const site = headers["sec-fetch-site"];
  if (!LOOPBACK.has(host.replace(/:\d+$/, ""))) return false;
  if (origin !== undefined && origin !== `http://${host}`) return false;
  return site === undefined || site === "same-origin" || site === "none";
}
