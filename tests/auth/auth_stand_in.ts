import { jwtVerify } from "jose";

/** A real HTTP server on loopback that stands in for the Auth server: `/auth/v1/user` and its public keys. */
export interface AuthStandIn extends AsyncDisposable {
  /** What SUPABASE_URL would be. */
  readonly url: string;
  /** How often each was asked. */
  readonly calls: { user: number; keys: number };
  /** The public keys it shows: a test may change them. */
  publicKeys: readonly object[];
  /** When set, it answers in place of everything else. */
  answer?: (request: Request) => Response | Promise<Response>;
}

/** The secret with which it signs and checks HS256 tokens. */
export const SHARED_SECRET = new TextEncoder().encode("a-secret-of-at-least-thirty-two-characters");
/** The API key it wants to see. */
export const API_KEY = "sb_publishable_stand_in";

/** Starts one on a free port. */
export function startAuthStandIn(publicKeys: readonly object[] = []): AuthStandIn {
  const calls = { user: 0, keys: 0 };
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const { pathname } = new URL(request.url);
    const isForKeys = pathname === "/auth/v1/.well-known/jwks.json";
    if (isForKeys) calls.keys++;
    if (pathname === "/auth/v1/user") calls.user++;
    if (standIn.answer) return await standIn.answer(request);
    if (request.headers.get("apikey") !== API_KEY) {
      return Response.json({ message: "Invalid API key" }, { status: 401 });
    }
    if (isForKeys) return Response.json({ keys: standIn.publicKeys });
    return await answerUser(request);
  });
  const standIn: AuthStandIn = {
    url: `http://127.0.0.1:${server.addr.port}`,
    calls,
    publicKeys,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
  return standIn;
}

async function answerUser(request: Request): Promise<Response> {
  const token = request.headers.get("authorization")?.replace("Bearer ", "") ?? "";
  try {
    const { payload } = await jwtVerify(token, SHARED_SECRET, { algorithms: ["HS256"] });
    return Response.json({ id: payload.sub, aud: payload.aud, role: payload.role, email: payload.email });
  } catch {
    return Response.json({ code: 403, error_code: "bad_jwt", msg: "invalid JWT: signature is invalid" }, {
      status: 403,
    });
  }
}
