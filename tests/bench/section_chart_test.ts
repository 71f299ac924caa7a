import { assert, assertEquals, assertThrows } from "@std/assert";
import { barChart } from "./chart.ts";
import { sectionChart } from "./section_chart.ts";

Deno.test("sectionChart() draws a bar for each row, as long as its value, and says the value", () => {
  const svg = sectionChart({
    name: "fan-out",
    columns: ["members", "load", "system", "us/delivery", "p50 ms"],
    rows: [
      ["10", "saturated", "plain room", "8.00", "1"],
      ["10", "saturated", "chat", "16.00", "1"],
      ["1,000", "saturated", "chat", "4.00", "1"],
    ],
  })!;
  const widths = [...svg.matchAll(/<rect x="190" y="\d+" width="(\d+)"/g)].map(([, width]) => Number(width));
  assertEquals(widths, [250, 500, 125]);
  for (const text of ["10 × saturated", "1,000 × saturated", "plain room", ">16<", "prefers-color-scheme: dark"]) {
    assert(svg.includes(text), text);
  }
  assertEquals(sectionChart({ name: "other", columns: [], rows: [] }), undefined);
});

Deno.test("barChart() escapes what it is given, and draws no more than can be told apart", () => {
  const chart = { title: "a < b & c", caption: '"', names: ["x"], groups: [{ label: "<g>", values: [1] }] };
  const svg = barChart(chart);
  assert(svg.includes("a &lt; b &amp; c") && svg.includes("&lt;g>") && !svg.includes("<g>"));
  assertThrows(() => barChart({ ...chart, names: ["1", "2", "3", "4", "5", "6"] }), RangeError, "6 bars");
});
