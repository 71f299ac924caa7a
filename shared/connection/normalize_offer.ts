/**
 * Makes `request` show its offer of subprotocols as `Deno.upgradeWebSocket` reads it: separated by `", "` exactly. RFC
 * 6455 leaves the white space to the client, and npm's `ws` sends none.
 *
 * The runtime takes the offer from the object's `headers`, and takes no other object than the one it made itself: a new
 * `Request` is answered with 101 and then left alone. So that property is shadowed.
 */
export function normalizeOffer(request: Request): void {
  const offered = request.headers.get(OFFER);
  if (offered === null) return;
  const normal = offered.split(",").map((name) => name.trim()).filter((name) => name !== "").join(", ");
  if (normal === offered) return;
  const headers = new Headers(request.headers);
  headers.set(OFFER, normal);
  Object.defineProperty(request, "headers", { value: headers });
}

const OFFER = "sec-websocket-protocol";
