import type { IncomingMessage, ServerResponse } from "node:http";
import type { Backends } from "./backends.ts";
import { bearerToken, headerPairs, pathOf, readBody } from "./incoming.ts";
import { sendProblem, sendResponse } from "./outgoing.ts";
import type { TokenResigner } from "./resign_tokens.ts";

const MAX_BODY_BYTES = 50 * 1024 * 1024;

/** Answers a request under `/auth/v1` or `/rest/v1`; user tokens are translated on the way in and out. */
export async function answerByLite(
  { lite, tokens }: Backends,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): Promise<void> {
  const body = await readBody(incoming, MAX_BODY_BYTES);
  if (body === undefined) {
    return sendProblem(outgoing, {
      status: 413,
      title: "The body is too large",
      detail: `The limit is ${MAX_BODY_BYTES} bytes.`,
    });
  }
  const headers = new Headers([...headerPairs(incoming)]);
  const bearer = bearerToken(incoming);
  if (bearer !== undefined) headers.set("authorization", `Bearer ${await tokens.inward(bearer)}`);
  const method = incoming.method!;
  const url = new URL(incoming.url!, `http://${incoming.headers.host ?? "127.0.0.1"}`);
  const hasBody = method !== "GET" && method !== "HEAD";
  const response = await lite.fetch(new Request(url, { method, headers, ...(hasBody ? { body } : {}) }));
  const isAuth = pathOf(incoming).startsWith("/auth/v1/");
  await sendResponse(outgoing, isAuth ? await outward(tokens, response) : response);
}

/** Replaces the access token of an answer of Auth's, in the body or in the fragment that a redirect carries. */
async function outward(tokens: TokenResigner, response: Response): Promise<Response> {
  const { status } = response;
  const headers = new Headers(response.headers);
  const location = headers.get("location");
  if (location?.includes("#")) headers.set("location", await outwardFragment(tokens, location));
  const isJson = headers.get("content-type")?.includes("application/json");
  if (!isJson || !response.body) return new Response(response.body, { status, headers });
  const text = await response.text();
  return new Response(text && JSON.stringify(await tokens.outward(JSON.parse(text))), { status, headers });
}

async function outwardFragment(tokens: TokenResigner, location: string): Promise<string> {
  const url = new URL(location);
  const fragment = new URLSearchParams(url.hash.slice(1));
  const token = fragment.get("access_token");
  if (token === null) return location;
  const session = await tokens.outward({ access_token: token }) as { access_token: string };
  fragment.set("access_token", session.access_token);
  url.hash = fragment.toString();
  return url.href;
}
