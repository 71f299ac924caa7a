import { decodeToken } from "../auth/decode_token.ts";
import { CREDENTIAL_PARAMETERS, type Upstream } from "./upstream.ts";

/** How this project's Realtime is reached. */
export interface SupabaseSettings {
  /** The project's URL, `https://PROJECT.supabase.co`. */
  readonly supabaseUrl: string;
  /** Its publishable or anon key. */
  readonly apiKey: string;
}

const NAME = "supabase";
const REALTIME_PATH = "/realtime/v1/websocket";

/**
 * This project's Supabase Realtime, at the path where supabase-js looks for it. The client's query is passed on but for
 * what carries credentials: the connection has the publishable key, whatever the client sent, so that a channel which is
 * joined without a token has no more rights than anybody.
 * @throws {RangeError} for a key that acts for the server.
 */
export function supabaseUpstream({ supabaseUrl, apiKey }: SupabaseSettings): Upstream {
  if (isServiceKey(apiKey)) {
    throw new RangeError("Cannot start as SUPABASE_PUBLISHABLE_KEYS, or SUPABASE_ANON_KEY, must not hold a secret key");
  }
  const endpoint = new URL(supabaseUrl.replace(/^http/, "ws").replace(/\/+$/, "") + REALTIME_PATH);
  return {
    name: NAME,
    protocols: [],
    address(path, query) {
      if (path !== REALTIME_PATH) return undefined;
      const url = new URL(endpoint);
      for (const [name, value] of query) {
        if (!CREDENTIAL_PARAMETERS.has(name.toLowerCase()) && !isServiceKey(value)) {
          url.searchParams.append(name, value);
        }
      }
      url.searchParams.set("apikey", apiKey);
      return { url, protocols: [] };
    },
    redact: (text) => text.replaceAll(apiKey, "***"),
  };
}

/**
 * Whether the caller can make something of an `error` frame. Clients of Realtime cannot: supabase-js throws where a frame
 * is no message of its protocol, so these learn why they were refused by the close alone.
 */
export function readsErrorFrames(request: Request): boolean {
  return new URL(request.url).pathname.split("/")[2] !== NAME;
}

/** Whether a text is a key that acts for the server, of either style. */
function isServiceKey(text: string): boolean {
  return text.startsWith("sb_secret_") || decodeToken(text)?.claims.role === "service_role";
}
