import { assert, assertEquals } from "@std/assert";
import { RelayMetrics } from "../../shared/relay/mod.ts";
import { writeOpenMetrics } from "../../shared/telemetry/write_open_metrics.ts";
import { parseOpenMetrics } from "../support/parse_open_metrics.ts";
import { serve } from "../support/serve.ts";
import { startRelay } from "./start_relay.ts";

Deno.test("metrics of the relay: pipes, frames and payload both ways, dials and failures by upstream", async () => {
  await using upstream = serve((request) => {
    const { socket, response } = Deno.upgradeWebSocket(request);
    socket.onmessage = () => socket.send("four");
    return response;
  });
  const metrics = new RelayMetrics();
  const upstreams = [{ name: "up", url: upstream.socketUrl }, { name: "dead", url: "ws://127.0.0.1:9" }];
  await using relay = startRelay(upstreams, { metrics });
  const valueOf = (sample: string, labels: Record<string, string>) => {
    const families = parseOpenMetrics(writeOpenMetrics(metrics.families()));
    return [...families.values()].flatMap(({ samples }) => samples)
      .find(({ name, labels: own }) => name === `edge_sockets_relay_${sample}` && sameLabels(own, labels))?.value;
  };
  await using client = await relay.connect("/up");
  client.send("hello!");
  await client.next();
  assertEquals(valueOf("pipes", { upstream: "up" }), 1);
  for (const [direction, bytes] of [["up", 6], ["down", 4]] as const) {
    assertEquals(valueOf("frames_total", { upstream: "up", direction }), 1);
    assertEquals(valueOf("bytes_total", { upstream: "up", direction }), bytes);
  }
  assertEquals(valueOf("dial_seconds_count", { upstream: "up" }), 1);
  await client.close();
  await (await relay.connect("/dead")).closed;
  await relay.idle();
  assertEquals([valueOf("pipes", { upstream: "up" }), valueOf("pipes", { upstream: "dead" })], [0, 0]);
  assertEquals(valueOf("pipes_opened_total", { upstream: "up" }), 1);
  assertEquals(valueOf("failures_total", { upstream: "dead", code: "upstream_failed" }), 1);
  assertEquals(valueOf("dial_seconds_count", { upstream: "dead" }), 0);
  assert(valueOf("failures_total", { upstream: "up", code: "upstream_failed" }) === undefined);
});

function sameLabels(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean {
  return JSON.stringify(Object.entries(a).sort()) === JSON.stringify(Object.entries(b).sort());
}
