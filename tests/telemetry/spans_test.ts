import { assert, assertEquals, assertFalse } from "@std/assert";
import { claimsOf, makeKey, sign } from "../auth/tokens.ts";
import { startFunction } from "../deploy/start_function.ts";
import { serve } from "../support/serve.ts";
import { openSocket } from "../support/socket.ts";
import { within } from "../support/within.ts";

const ROOT = new URL("../../", import.meta.url);
const PROJECT = "http://127.0.0.1:9";
const key = await makeKey("ES256", "spans-test");
const TOKEN = await sign(key, claimsOf(PROJECT, Date.now()));

/** A span as OTLP has it, in JSON. */
interface Span {
  readonly name: string;
  readonly traceId: string;
  readonly parentSpanId: string;
  readonly status: { readonly code: number; readonly message?: string };
  readonly attributes: readonly { readonly key: string; readonly value: { readonly stringValue?: string } }[];
}

/** A collector on the loopback: what the runtime's own exporter sends to it. */
function startCollector() {
  const spans: Span[] = [];
  let wake = Promise.withResolvers<void>();
  const served = serve(async (request) => {
    const { resourceSpans = [] } = await request.json();
    for (const { scopeSpans } of resourceSpans) {
      for (const { scope, spans: sent } of scopeSpans) if (scope.name === "edge-sockets") spans.push(...sent);
    }
    wake.resolve();
    wake = Promise.withResolvers();
    return Response.json({});
  });
  const find = async (name: string, status: number) => {
    for (;;) {
      const span = spans.find((span) => span.name === name && span.status.code === status);
      if (span !== undefined) return span;
      await wake.promise;
    }
  };
  return { ...served, spans, find: (name: string, status = 0) => within(`a span ${name}`, find(name, status)) };
}

function startTraced(name: string, collector: string, env: Record<string, string> = {}) {
  return startFunction({ root: ROOT }, `functions/${name}/index.ts`, {
    SUPABASE_URL: PROJECT,
    SUPABASE_ANON_KEY: "sb_publishable_test",
    SUPABASE_JWKS: JSON.stringify({ keys: [key.publicJwk] }),
    OTEL_DENO: "true",
    OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
    OTEL_EXPORTER_OTLP_ENDPOINT: collector,
    OTEL_BSP_SCHEDULE_DELAY: "50",
    ...env,
  }, Deno.version.deno);
}

Deno.test("with OTEL_DENO a collector gets spans of upgrade, authentication and writes, without the token", async () => {
  await using collector = startCollector();
  await using chat = await startTraced("chat", collector.url, { CHAT_STORE: "memory" });
  await using client = await openSocket(`ws://${chat.host}/chat?room=a&jwt=${TOKEN}`);
  client.send(JSON.stringify({ type: "chat", body: "hello" }));
  const upgrade = await collector.find("upgrade");
  const authenticate = await collector.find("authenticate");
  assertEquals(authenticate.traceId, upgrade.traceId, "the one is part of the other");
  assert(authenticate.parentSpanId !== "" && upgrade.parentSpanId !== "", "and that of the runtime's own request");
  const { attributes } = await collector.find("store.post");
  assertEquals(attributes.map(({ key }) => key), ["writes"]);

  await using refused = await openSocket(`ws://${chat.host}/chat?room=a&jwt=${TOKEN.slice(0, -9)}AAAAAAAAA`);
  await refused.closed;
  assertEquals((await collector.find("authenticate", 2)).status.message, "unauthorized");
  assertFalse(JSON.stringify(collector.spans).includes(TOKEN.slice(0, 30)));
  assert(chat.printed.some((line) => line.includes(`"event":"connection.refused"`)));
  assertFalse(chat.printed.join().includes("eyJ"), "nor is it logged");
});

Deno.test("with OTEL_DENO a collector gets the dial of an upstream, and how it failed", async () => {
  await using collector = startCollector();
  const upstreams = JSON.stringify({ up: { url: "ws://127.0.0.1:9" } });
  await using relay = await startTraced("relay", collector.url, { RELAY_UPSTREAMS: upstreams });
  await using client = await openSocket(`ws://${relay.host}/relay/up?jwt=${TOKEN}`);
  assertEquals((await client.closed).code, 4502);
  const { status, attributes } = await collector.find("upstream.dial", 2);
  assertEquals([status.message, attributes[0]?.value.stringValue], ["upstream_failed", "up"]);
});
