import { assertEquals, assertThrows } from "@std/assert";
import { assertHeld } from "../support/held_table.ts";
import { goalsSection } from "./goals_section.ts";
import { sectionOf, withSection } from "./table.ts";

const PAGE = await Deno.readTextFile(new URL("../../docs/bench.md", import.meta.url));

Deno.test("the table of goals in docs/bench.md says what the tables below it say", () =>
  assertHeld("bench.md", goalsSection(PAGE)));

Deno.test("goalsSection() compares by the median of the rounds' ratios, and says what misses its goal", () => {
  const { section } = sectionOf(PAGE, "fan-out");
  const at = section.columns.indexOf("ratio");
  for (const [ratio, met] of [["1.50", "yes"], ["1.51", "no"]] as const) {
    const rows = section.rows.map((row) => row.map((cell, index) => index === at && row[2] === "chat" ? ratio : cell));
    const [first] = goalsSection(withSection(PAGE, { ...section, rows })).rows;
    assertEquals(first!.slice(-3), [ratio, "1.50", met]);
  }
});

Deno.test("goalsSection() fails where a figure with a goal is not on the page", () => {
  const { section } = sectionOf(PAGE, "half-load");
  const page = withSection(PAGE, { ...section, rows: section.rows.filter((row) => !row.includes("chat")) });
  assertThrows(() => goalsSection(page), Error, 'one row of half-load with {"system":"chat"}: there are 0');
});
