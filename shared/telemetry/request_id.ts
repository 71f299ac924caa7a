const ids = new WeakMap<Request, string>();

/** What a proxy may have called a request; anything else in these headers is not taken over into our logs. */
const ID = /^[\w.:-]{1,128}$/;

/**
 * By what lines of logs name a request: the platform's `sb-request-id`, a proxy's `x-request-id`, or an id of our own. The
 * same request has the same id each time it is asked for.
 */
export function requestId(request: Request): string {
  let id = ids.get(request);
  if (id === undefined) {
    id = [request.headers.get("sb-request-id"), request.headers.get("x-request-id")]
      .find((given) => given !== null && ID.test(given)) ?? crypto.randomUUID();
    ids.set(request, id);
  }
  return id;
}
