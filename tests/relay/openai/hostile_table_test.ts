import { assert, assertEquals } from "@std/assert";
import { HOSTILE_EVENTS, STRICT_POLICY } from "./hostile_client_events.ts";
import { hostileRows } from "./hostile_rows.ts";

const page = await Deno.readTextFile(new URL("../../../docs/relay.md", import.meta.url));

Deno.test("docs/relay.md shows what becomes of each hostile event, as the tests hold it", () => {
  // The formatter pads cells to the width of their column.
  const text = page.replaceAll(/ +/g, " ");
  for (const row of hostileRows()) assert(text.includes(row), `The page lacks the row\n${row}`);
  const [, table = ""] = /a client tries[^\n]*\n([^]*?)\n\n/.exec(text) ?? [];
  assertEquals(table.split("\n").length - 1, HOSTILE_EVENTS.length, "The page has rows of its own");
});

Deno.test("docs/relay.md shows the policy of its table", () => {
  const blocks = page.matchAll(/```json\n([^]*?)```/g);
  const policies = [...blocks].map(([, json]) => JSON.parse(json!)).filter((value) => "locked" in value);
  assertEquals(policies, [STRICT_POLICY]);
});
