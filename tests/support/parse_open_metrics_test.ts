import { assertEquals, assertThrows } from "@std/assert";
import { parseOpenMetrics } from "./parse_open_metrics.ts";

// From the examples of the specification, shortened.
const GOOD = String.raw`# TYPE acme_http_router_request_seconds histogram
# UNIT acme_http_router_request_seconds seconds
# HELP acme_http_router_request_seconds Latency through all of ACME's HTTP request router.
acme_http_router_request_seconds_bucket{path="/api/v1",method="GET",le="0.5"} 3
acme_http_router_request_seconds_bucket{path="/api/v1",method="GET",le="+Inf"} 5
acme_http_router_request_seconds_sum{path="/api/v1",method="GET"} 9036.32
acme_http_router_request_seconds_count{path="/api/v1",method="GET"} 5
# TYPE go_goroutines gauge
# HELP go_goroutines Number of goroutines \\ that \n exist.
go_goroutines 6.9e+1
# TYPE process_cpu_seconds counter
# UNIT process_cpu_seconds seconds
process_cpu_seconds_total{a="x\"y\\z\n"} 4.20072246
# EOF
`;

Deno.test("parseOpenMetrics() reads the specification's examples", () => {
  const families = parseOpenMetrics(GOOD);
  assertEquals([...families].map(([name, { type, samples }]) => [name, type, samples.length]), [
    ["acme_http_router_request_seconds", "histogram", 4],
    ["go_goroutines", "gauge", 1],
    ["process_cpu_seconds", "counter", 1],
  ]);
  assertEquals(families.get("process_cpu_seconds")!.samples[0], {
    name: "process_cpu_seconds_total",
    labels: { a: 'x"y\\z\n' },
    value: 4.20072246,
  });
});

const BAD: { [why: string]: string } = {
  "no end": "# TYPE a gauge\na 1\n",
  "a line behind the end": "# EOF\na 1\n",
  "an empty line": "# TYPE a gauge\n\na 1\n# EOF\n",
  "a sample of no family": "a 1\n# EOF\n",
  "a type that is none": "# TYPE a summery\na 1\n# EOF\n",
  "a counter without _total": "# TYPE a counter\na 1\n# EOF\n",
  "a counter below 0": "# TYPE a counter\na_total -1\n# EOF\n",
  "a type twice": "# TYPE a gauge\n# TYPE a gauge\na 1\n# EOF\n",
  "a type behind samples": "# TYPE a gauge\na 1\n# HELP a x\n# EOF\n",
  "families that mix": '# TYPE a gauge\na{x="1"} 1\n# TYPE b gauge\nb 1\n# TYPE a gauge\na{x="2"} 1\n# EOF\n',
  "the same sample twice": "# TYPE a gauge\na 1\na 2\n# EOF\n",
  "a unit that does not end the name": "# TYPE a gauge\n# UNIT a seconds\na 1\n# EOF\n",
  "a label twice": '# TYPE a gauge\na{x="1",x="2"} 1\n# EOF\n',
  "a comma at the end": '# TYPE a gauge\na{x="1",} 1\n# EOF\n',
  "a label that is not escaped": '# TYPE a gauge\na{x="1"2"} 1\n# EOF\n',
  "a help that is not escaped": '# TYPE a gauge\n# HELP a say "x"\na 1\n# EOF\n',
  "a name that is none": "# TYPE a-b gauge\na-b 1\n# EOF\n",
  "a value that is none": "# TYPE a gauge\na 1,5\n# EOF\n",
  "buckets without +Inf": '# TYPE a histogram\na_bucket{le="1.0"} 1\na_count 1\na_sum 1\n# EOF\n',
  "buckets that shrink": '# TYPE a histogram\na_bucket{le="1.0"} 2\na_bucket{le="+Inf"} 1\na_count 1\na_sum 1\n# EOF\n',
  "another count": '# TYPE a histogram\na_bucket{le="+Inf"} 1\na_count 2\na_sum 1\n# EOF\n',
  "names that clash": "# TYPE a counter\na_total 1\n# TYPE a_total gauge\na_total 1\n# EOF\n",
};

for (const [why, text] of Object.entries(BAD)) {
  Deno.test(`parseOpenMetrics() refuses ${why}`, () => {
    assertThrows(() => parseOpenMetrics(text), SyntaxError);
  });
}
