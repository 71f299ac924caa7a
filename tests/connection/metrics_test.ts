import { assert, assertEquals } from "@std/assert";
import { relayTo } from "../../shared/connection/mod.ts";
import { Log } from "../../shared/telemetry/log.ts";
import { gauge } from "../../shared/telemetry/metrics.ts";
import { eventually } from "../support/eventually.ts";
import { parseOpenMetrics } from "../support/parse_open_metrics.ts";
import { type Kernel, startKernel } from "./kernel.ts";

const SECRET = "sb_secret_of_the_tests";
const HEADERS = { Authorization: `Bearer ${SECRET}` };

async function readMetrics(kernel: Kernel) {
  const response = await fetch(`${kernel.url}/functions/v1/echo/metrics`, { headers: HEADERS });
  assertEquals([response.status, response.headers.get("content-type"), response.headers.get("cache-control")], [
    200,
    "application/openmetrics-text; version=1.0.0; charset=utf-8",
    "no-store",
  ]);
  return parseOpenMetrics(await response.text());
}

/** The value of the sample with these labels beside the isolate's. */
function valueOf(families: Awaited<ReturnType<typeof readMetrics>>, name: string, labels: Record<string, string> = {}) {
  const wanted = JSON.stringify({ isolate: "test", ...labels });
  return families.get(`edge_sockets_${name}`)?.samples.find((sample) => JSON.stringify(sample.labels) === wanted)
    ?.value;
}

Deno.test("GET /metrics tells in OpenMetrics what connections did, and what the function adds", async () => {
  await using kernel = startKernel(() => relayTo(target.pid), {
    secretKeys: ["another", SECRET],
    maxFrameBytes: 100,
    metrics: () => [gauge("edge_sockets_rooms", "Rooms.", 7)],
  });
  const target = kernel.spawnTarget();
  const clients = [await kernel.connect(), await kernel.connect(), await kernel.connect(), await kernel.connect()];
  const [stays, closes, sendsTooMuch] = clients;
  await target.next("ws.join");
  stays!.send("é");
  const { client_pid } = await target.next("ws.message");
  kernel.processes.send(client_pid, "ws.send", { type: "text", data: "y" });
  await stays!.next();
  await closes!.close();
  sendsTooMuch!.send("x".repeat(101));
  await sendsTooMuch!.closed;
  const lost = await kernel.connectRaw();
  await target.next("ws.join");
  lost[Symbol.dispose]();
  await eventually("two are left", async () => (await kernel.health()).connections === 2);

  const families = await readMetrics(kernel);
  const values = ["connections", "connections_opened", "messages_in", "messages_out", "received_bytes", "rooms"];
  assertEquals(values.map((name) => valueOf(families, name)), [2, 5, 1, 2, 2, 7]);
  assertEquals(["isolate_draining", "buffered_bytes", "closing_bytes"].map((name) => valueOf(families, name)), [
    0,
    0,
    0,
  ]);
  assertEquals(valueOf(families, "refusals", { code: "too_large" }), 1);
  assertEquals(["1000", "1006", "1009"].map((code) => valueOf(families, "closes", { code })), [1, 1, 1]);

  for (const code of [3000, 4321, 4999]) (await kernel.connect()).socket.close(code);
  const labels = (families: Awaited<ReturnType<typeof readMetrics>>) =>
    families.get("edge_sockets_closes")?.samples.map(({ labels: { code } }) => code).toSorted();
  await eventually("a client's own codes are one series", async () => {
    const families = await readMetrics(kernel);
    return valueOf(families, "closes", { code: "other" }) === 3 && labels(families)?.length === 4;
  });

  kernel.isolate.drain("wall_clock");
  const draining = await readMetrics(kernel);
  assertEquals([valueOf(draining, "isolate_draining"), valueOf(draining, "hand_overs")], [1, 2]);
  await clients[0]!.close();
  await clients[3]!.close();
  await kernel.idle(1);
  const [drained, gone] = kernel.lines.filter(({ event }) => `${event}`.startsWith("isolate."));
  assertEquals([drained!.event, drained!.reason, drained!.connections], ["isolate.draining", "wall_clock", 2]);
  const { messages_in, closed } = gone!.counters as { messages_in: number; closed: Record<string, number> };
  assertEquals([gone!.event, messages_in, closed], [
    "isolate.gone",
    1,
    { 1000: 3, 1006: 1, 1009: 1, other: 3 },
  ]);
});

Deno.test("with LOG_LEVEL=debug a connection can be followed by its request id", async () => {
  const lines: Record<string, unknown>[] = [];
  const log = new Log({ level: "debug", write: (_level, line) => lines.push(JSON.parse(line)) });
  await using kernel = startKernel(() => relayTo(target.pid, { metadata: { user_id: "ann" } }), { log });
  const target = kernel.spawnTarget();
  const client = await kernel.connect("/?jwt=s3cret", { headers: { "x-request-id": "req-1" } });
  await client.close();
  await kernel.idle(1);
  const [opened, closed] = lines;
  assertEquals([opened!.event, opened!.request_id, opened!.user_id], ["connection.opened", "req-1", "ann"]);
  assertEquals([closed!.event, closed!.pid, closed!.reason], ["connection.closed", opened!.pid, "closed"]);
  assert(!JSON.stringify(lines).includes("s3cret"));
});

Deno.test("GET /metrics is for those who have a secret key, and without one set for nobody", async () => {
  await using kernel = startKernel(() => relayTo("nobody"), { secretKeys: [SECRET] });
  await using closed = startKernel(() => relayTo("nobody"));
  const cases: [Kernel, HeadersInit, number][] = [
    [kernel, {}, 401],
    [kernel, { apikey: `${SECRET}x` }, 403],
    [kernel, { apikey: SECRET }, 200],
    [closed, {}, 401],
    [closed, HEADERS, 403],
    [closed, { apikey: "" }, 403],
  ];
  for (const [{ url }, headers, status] of cases) {
    const response = await fetch(`${url}/metrics`, { headers });
    assert((await response.text()).length > 0);
    assertEquals(response.status, status);
  }
});
