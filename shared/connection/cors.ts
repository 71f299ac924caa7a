import { checkOrigin } from "../auth/check_origin.ts";

/** The CORS headers for a plain answer to `request`: its own origin where that may connect, else none. */
export function corsHeaders(request: Request, allowedOrigins: readonly string[]): [string, string][] {
  const origin = request.headers.get("origin");
  if (origin === null || !checkOrigin(request, allowedOrigins)) return [["Vary", "Origin"]];
  return [["Vary", "Origin"], ["Access-Control-Allow-Origin", origin]];
}

/** The answer to a preflight: what supabase-js sends passes, from an origin that `cors` admits. */
export function preflight(cors: readonly [string, string][]): Response {
  const headers = new Headers(cors as [string, string][]);
  if (headers.has("Access-Control-Allow-Origin")) {
    headers.set("Access-Control-Allow-Methods", "GET, POST, OPTIONS");
    headers.set("Access-Control-Allow-Headers", "authorization, x-client-info, apikey, content-type");
    headers.set("Access-Control-Max-Age", "86400");
  }
  return new Response(null, { status: 204, headers });
}
