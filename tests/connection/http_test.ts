import { assert, assertEquals } from "@std/assert";
import { relayTo } from "../../shared/connection/mod.ts";
import { openSocket } from "../support/socket.ts";
import { startKernel } from "./kernel.ts";

Deno.test("a plain GET is answered with 426 and problem JSON that says how to connect", async () => {
  await using kernel = startKernel(() => relayTo("nobody"));
  const response = await fetch(`${kernel.url}/chat/lobby?jwt=s3cret&room=1`);
  assertEquals([response.status, response.headers.get("upgrade")], [426, "websocket"]);
  assertEquals(response.headers.get("content-type"), "application/problem+json");
  const connect = `${kernel.socketUrl}/chat/lobby`;
  assertEquals(await response.json(), {
    type: "about:blank",
    title: "This is a WebSocket endpoint",
    status: 426,
    detail: `This address speaks WebSocket: connect with new WebSocket("${connect}")`,
    code: "upgrade_required",
    connect,
  });
});

Deno.test("the address to connect to is the one that the caller knows, behind proxies too", async () => {
  await using kernel = startKernel(() => relayTo("nobody"), { projectUrl: new URL("https://ref.supabase.co") });
  const forwarded: [Record<string, string>, path: string, connect: string][] = [
    [{ "X-Forwarded-Proto": "https" }, "/echo", `wss://${new URL(kernel.url).host}/echo`],
    [
      { "X-Forwarded-Proto": "https", "X-Forwarded-Host": "api.example.com", "X-Forwarded-Port": "443" },
      "/echo",
      "wss://api.example.com/functions/v1/echo",
    ],
    [
      { "X-Forwarded-Proto": "https, http", "X-Forwarded-Host": "api.example.com, inner" },
      "/chat/lobby?jwt=s3cret",
      "wss://api.example.com/functions/v1/chat/lobby",
    ],
    [
      { "X-Forwarded-Proto": "https", "X-Forwarded-Host": "edge-runtime.supabase.com", "X-Forwarded-Port": "443" },
      "/echo",
      "wss://ref.supabase.co/functions/v1/echo",
    ],
    [
      { "X-Forwarded-Proto": "http", "X-Forwarded-Host": "127.0.0.1", "X-Forwarded-Port": "54321" },
      "/functions/v1/echo",
      "ws://127.0.0.1:54321/functions/v1/echo",
    ],
  ];
  for (const [headers, path, connect] of forwarded) {
    const response = await fetch(`${kernel.url}${path}`, { headers });
    assertEquals((await response.json()).connect, connect);
  }
});

Deno.test("GET /health, below any path, tells the isolate's state and counters", async () => {
  await using kernel = startKernel(() => relayTo(target.pid), { health: () => ({ rooms: 3, own: true }) });
  const target = kernel.spawnTarget();
  await using client = await kernel.connect();
  await target.next("ws.join");
  client.send("x");
  const { client_pid } = await target.next("ws.message");
  kernel.processes.send(client_pid, "ws.send", { type: "text", data: "y" });
  await client.next();
  const response = await fetch(`${kernel.url}/functions/v1/echo/health?x`);
  assertEquals([response.status, response.headers.get("cache-control")], [200, "no-store"]);
  const { age_ms, lifetime_ms, ...health } = await response.json();
  assert(age_ms > 0 && lifetime_ms > 0);
  assertEquals(health, {
    status: "ok",
    isolate: "test",
    region: null,
    state: "serving",
    connections: 1,
    processes: 2,
    buffered_bytes: 0,
    queued_bytes: 0,
    closing_bytes: 0,
    rooms: 3,
    own: true,
    counters: {
      connections_opened: 1,
      messages_in: 1,
      messages_out: 1,
      bytes_in: 1,
      handed_over: 0,
      refused: {},
      closed: {},
    },
  });
  const head = await fetch(`${kernel.url}/health`, { method: "HEAD" });
  assertEquals([head.status, await head.text()], [200, ""]);
  await client.close();
});

Deno.test("other methods are answered with 405", async () => {
  await using kernel = startKernel(() => relayTo("nobody"));
  for (const method of ["POST", "PUT", "DELETE", "PATCH"]) {
    const response = await fetch(`${kernel.url}/health`, { method });
    assertEquals([response.status, response.headers.get("allow")], [405, "GET, HEAD, OPTIONS"]);
    assertEquals((await response.json()).code, "method_not_allowed");
  }
});

interface OriginCase {
  readonly allowed?: string[];
  readonly origin?: string;
  readonly passes: boolean;
}

Deno.test("an origin may connect, or read an answer, as allowedOrigins says", async () => {
  const cases: OriginCase[] = [
    { passes: true },
    { origin: "SAME", passes: true },
    { origin: "http://evil.example", passes: false },
    { origin: "null", passes: false },
    { origin: "", passes: false },
    { allowed: ["*"], passes: true },
    { allowed: ["*"], origin: "http://evil.example", passes: true },
    { allowed: ["*"], origin: "null", passes: true },
    { allowed: ["https://app.example", "https://*.pages.example"], passes: true },
    { allowed: ["https://app.example", "https://*.pages.example"], origin: "https://app.example", passes: true },
    { allowed: ["https://app.example", "https://*.pages.example"], origin: "https://x.pages.example", passes: true },
    { allowed: ["https://app.example", "https://*.pages.example"], origin: "https://app.example.evil", passes: false },
    { allowed: ["https://app.example", "https://*.pages.example"], origin: "SAME", passes: false },
  ];
  for (const { allowed, origin, passes } of cases) {
    const what = `${origin} where ${allowed} is allowed`;
    await using kernel = startKernel(({ processes }) => relayTo(processes.spawn({})), { allowedOrigins: allowed });
    const headers: Record<string, string> = origin === undefined
      ? {}
      : { Origin: origin === "SAME" ? kernel.url : origin };
    await using client = await openSocket(kernel.socketUrl, { headers });
    if (passes) {
      assertEquals((await client.close()).code, 1000, what);
    } else {
      const message = "Pages of this origin may not connect: see ALLOWED_ORIGINS";
      assertEquals(await client.nextJson(), { type: "error", code: "origin_forbidden", message }, what);
      assertEquals(await client.closed, { code: 4403, reason: `origin_forbidden: ${message}` }, what);
    }
    assertEquals(kernel.processes.count, passes ? 1 : 0, `the handler runs for those who pass only: ${what}`);

    const shown = passes && headers.Origin !== undefined ? headers.Origin : null;
    for (const path of ["/", "/health"]) {
      const plain = await fetch(kernel.url + path, { headers });
      await plain.body?.cancel();
      assertEquals(plain.headers.get("access-control-allow-origin"), shown, what);
      assertEquals(plain.headers.get("vary"), "Origin");
    }
    const preflight = await fetch(kernel.url, {
      method: "OPTIONS",
      headers: { ...headers, "Access-Control-Request-Method": "GET" },
    });
    const { headers: answer } = preflight;
    const allow = ["origin", "methods", "headers"].map((name) => answer.get(`access-control-allow-${name}`));
    assertEquals([preflight.status, await preflight.text()], [204, ""]);
    const expected = [shown, "GET, POST, OPTIONS", "authorization, x-client-info, apikey, content-type"];
    assertEquals(allow, shown === null ? [null, null, null] : expected, what);
  }
});

Deno.test("http answers plain requests, and where it fails the caller learns no more than that", async () => {
  await using kernel = startKernel(() => relayTo("nobody"), {
    allowedOrigins: ["*"],
    health: () => {
      throw new Error("s3cret");
    },
    http: async (request) => {
      const { pathname } = new URL(request.url);
      if (pathname === "/throws") throw new Error("s3cret");
      if (pathname === "/rejects") return await Promise.reject("s3cret");
      if (pathname === "/nonsense") return 7 as unknown as Response;
      if (pathname === "/used") {
        const response = new Response("x");
        await response.text();
        return response;
      }
      return pathname === "/own" ? Response.json({ own: await request.text() }, { status: 201 }) : undefined;
    },
  });
  const own = await fetch(`${kernel.url}/own`, {
    method: "POST",
    body: "body",
    headers: { Origin: "https://a.example" },
  });
  assertEquals([own.status, await own.json()], [201, { own: "body" }]);
  assertEquals(own.headers.get("access-control-allow-origin"), "https://a.example");
  for (const path of ["/throws", "/rejects", "/nonsense", "/used", "/health"]) {
    const failed = await fetch(kernel.url + path, { headers: { Origin: "https://a.example" } });
    const text = await failed.text();
    assertEquals([failed.status, JSON.parse(text).code], [500, "internal"], path);
    assertEquals([text.includes("s3cret"), failed.headers.get("access-control-allow-origin")], [
      false,
      "https://a.example",
    ]);
  }
  assertEquals(kernel.errors.length, 5);
  const missing = await fetch(`${kernel.url}/missing`);
  await missing.body?.cancel();
  assertEquals(missing.status, 426);
});
