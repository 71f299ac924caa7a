import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { counter, gauge, Histogram, histogram } from "../../shared/telemetry/metrics.ts";
import { writeOpenMetrics } from "../../shared/telemetry/write_open_metrics.ts";
import { parseOpenMetrics } from "../support/parse_open_metrics.ts";

Deno.test("writeOpenMetrics() writes each type, units by name, common labels on all, and # EOF", () => {
  const latency = new Histogram([0.005, 1]);
  for (const seconds of [0.001, 0.005, 0.5, 7]) latency.observe(seconds);
  const text = writeOpenMetrics([
    gauge("connections", "Open now.", 3),
    counter("closes", "By code.", [[{ code: "1000" }, 2], [{ code: "4401" }, 0]]),
    counter("never", "Nothing yet.", []),
    histogram("call_seconds", "How long.", [[{ operation: "post" }, latency]]),
  ], { isolate: "42da" });
  assertEquals(
    text,
    `# TYPE connections gauge
# HELP connections Open now.
connections{isolate="42da"} 3
# TYPE closes counter
# HELP closes By code.
closes_total{isolate="42da",code="1000"} 2
closes_total{isolate="42da",code="4401"} 0
# TYPE call_seconds histogram
# UNIT call_seconds seconds
# HELP call_seconds How long.
call_seconds_bucket{isolate="42da",operation="post",le="0.005"} 2
call_seconds_bucket{isolate="42da",operation="post",le="1.0"} 3
call_seconds_bucket{isolate="42da",operation="post",le="+Inf"} 4
call_seconds_count{isolate="42da",operation="post"} 4
call_seconds_sum{isolate="42da",operation="post"} 7.506
# EOF
`,
  );
});

Deno.test("whatever labels, helps and values there are, the text is what they were", () => {
  const text = fc.string({ unit: "grapheme" });
  const values = fc.uniqueArray(fc.tuple(text, fc.double()), { selector: ([label]) => label });
  fc.assert(fc.property(text, values, (help, values) => {
    const written = writeOpenMetrics([gauge("x", help, values.map(([label, value]) => [{ label }, value]))]);
    const read = parseOpenMetrics(written).get("x")?.samples ?? [];
    assertEquals(read.map(({ labels, value }) => [labels.label!, value]), values);
  }));
});

Deno.test("a histogram counts each value once, in the first bucket that holds it", () => {
  fc.assert(fc.property(fc.array(fc.double({ min: 0, max: 100, noNaN: true })), (values) => {
    const bounds = [0.1, 1, 10];
    const latency = new Histogram(bounds);
    for (const value of values) latency.observe(value);
    const below = bounds.map((bound) => values.filter((value) => value <= bound).length);
    assertEquals(latency.counts, [below[0], below[1]! - below[0]!, below[2]! - below[1]!, values.length - below[2]!]);
  }));
  assertThrows(() => new Histogram([1, 1]), RangeError, "1, 1");
});
