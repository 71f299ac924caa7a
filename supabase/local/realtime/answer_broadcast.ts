import type { IncomingMessage, ServerResponse } from "node:http";
import { err, ok, type Result } from "../../../shared/protocol/result.ts";
import { bearerToken, pathOf, readBody } from "../incoming.ts";
import { send, sendJson } from "../outgoing.ts";
import { type Broadcast, payloadBytes } from "./broadcast.ts";
import type { Identity } from "./identify.ts";
import { isRecord } from "./is_record.ts";
import type { RealtimeContext } from "./realtime_context.ts";
import type { TopicName } from "./topics.ts";

const BATCH = "/realtime/v1/api/broadcast";
const SINGLE = /^\/realtime\/v1\/api\/broadcast\/([^/]+)\/events\/([^/]+)$/;

const CORS = {
  "access-control-allow-methods": "POST, OPTIONS",
  "access-control-allow-headers": "authorization, apikey, content-type, x-client-info",
  "access-control-max-age": "600",
};

/** A broadcast and where it goes. */
interface Post extends TopicName {
  broadcast: Broadcast;
}

/** An answer that is no success. */
interface Refusal {
  status: number;
  body: unknown;
}

/**
 * Answers the REST API: `POST /api/broadcast` with a batch, `POST /api/broadcast/TOPIC/events/EVENT` with one payload. A
 * batch is accepted (202) even where a policy drops all of it; a single one is refused (403) then.
 */
export async function answerBroadcast(
  context: RealtimeContext,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): Promise<void> {
  if (incoming.method === "OPTIONS") return send(outgoing, 204, CORS, new Uint8Array());
  const single = SINGLE.exec(pathOf(incoming));
  const isPost = incoming.method === "POST" && (single || pathOf(incoming) === BATCH);
  if (!isPost) return sendJson(outgoing, 404, { error: "Not found" });
  const identity = await identityOf(context, incoming);
  if (!identity.ok) return sendJson(outgoing, 401, { error: identity.error });
  const refusal = single
    ? await postSingle(context, incoming, { identity: identity.value, topic: single[1]!, event: single[2]! })
    : await postBatch(context, incoming, identity.value);
  if (refusal) return sendJson(outgoing, refusal.status, refusal.body);
  send(outgoing, 202, {}, new Uint8Array());
}

/** The user's, or without a user's token that of the API key. */
async function identityOf({ identify }: RealtimeContext, incoming: IncomingMessage): Promise<Result<Identity, string>> {
  const { apikey } = incoming.headers;
  const byKey = identify.byKey(typeof apikey === "string" ? apikey : undefined);
  if (!byKey) return err("Invalid API key");
  const token = bearerToken(incoming);
  if (token === undefined || token.startsWith("sb_")) return ok(byKey);
  const identity = await identify.byToken(token);
  return identity.ok ? identity : err(identity.error.message);
}

async function postBatch(
  context: RealtimeContext,
  incoming: IncomingMessage,
  identity: Identity,
): Promise<Refusal | undefined> {
  const body = await readBody(incoming, context.limits.frameBytes);
  const posts = body && readBatch(body, context.limits.payloadBytes);
  if (!posts) return { status: 422, body: { errors: { messages: ["invalid, or larger than the limit"] } } };
  if (isOverRate(context, posts.length)) return TOO_MANY;
  for (const post of posts) {
    if (await mayPost(context, incoming, { identity, post })) publish(context, post);
  }
}

async function postSingle(
  context: RealtimeContext,
  incoming: IncomingMessage,
  { identity, topic, event }: { identity: Identity; topic: string; event: string },
): Promise<Refusal | undefined> {
  const encoding = encodingOf(incoming);
  if (!encoding) {
    return { status: 415, body: { error: "Content-Type must be application/json or application/octet-stream" } };
  }
  const payload = await readBody(incoming, context.limits.payloadBytes);
  if (!payload) return { status: 422, body: { error: "Payload size exceeds tenant limit" } };
  if (encoding === "json" && !isJson(payload)) return { status: 422, body: { error: "Payload is not JSON" } };
  if (isOverRate(context, 1)) return TOO_MANY;
  const isPrivate = new URL(incoming.url!, "http://localhost").searchParams.get("private") === "true";
  const post: Post = {
    topic: decodeURIComponent(topic),
    isPrivate,
    broadcast: { form: "user", event: decodeURIComponent(event), encoding, payload },
  };
  if (!await mayPost(context, incoming, { identity, post })) return { status: 403, body: { error: "Unauthorized" } };
  publish(context, post);
}

const TOO_MANY: Refusal = { status: 429, body: { error: "You have exceeded your rate limit" } };

function isOverRate({ rate, limits }: RealtimeContext, messages: number): boolean {
  return rate.average() + messages > limits.messagesPerSecond;
}

async function mayPost(
  { authorize, log }: RealtimeContext,
  { headers }: IncomingMessage,
  { identity, post: { topic, isPrivate } }: { identity: Identity; post: Post },
): Promise<boolean> {
  if (!isPrivate) return true;
  try {
    return (await authorize.write({ identity, topic, headers: { ...headers } })).broadcast;
  } catch (error) {
    log(`realtime:${topic}: a policy on realtime.messages failed: ${(error as Error).message}`);
    return false;
  }
}

function publish({ topics, rate }: RealtimeContext, { topic, isPrivate, broadcast }: Post): void {
  rate.count(1);
  topics.publish({ topic, isPrivate }, broadcast);
}

/** The messages of a batch; undefined if one of them is not as it should be, or too large. */
function readBatch(body: Uint8Array, maxBytes: number): Post[] | undefined {
  const { messages } = parse(body) ?? {};
  if (!Array.isArray(messages)) return undefined;
  const posts: Post[] = [];
  for (const message of messages) {
    if (!isRecord(message)) return undefined;
    const { topic, event, payload } = message;
    if (typeof topic !== "string" || typeof event !== "string" || !isRecord(payload)) return undefined;
    const broadcast: Broadcast = { form: "object", payload: { type: "broadcast", event, payload } };
    if (payloadBytes(broadcast) > maxBytes) return undefined;
    posts.push({ topic, isPrivate: message.private === true, broadcast });
  }
  return posts;
}

function encodingOf({ headers }: IncomingMessage): "json" | "binary" | undefined {
  const type = headers["content-type"]?.split(";")[0]?.trim();
  if (type === "application/json") return "json";
  return type === "application/octet-stream" ? "binary" : undefined;
}

function isJson(body: Uint8Array): boolean {
  try {
    JSON.parse(new TextDecoder().decode(body));
    return true;
  } catch {
    return false;
  }
}

function parse(body: Uint8Array): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(body));
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
