import { markdownTable, type Section, withSection } from "../bench/table.ts";

const PAGE = new URL("../../docs/security.md", import.meta.url);

/**
 * Fails where docs/security.md has another table in the section's place: what it says is what was found. With
 * `UPDATE_TABLES=1` the page is written instead, to be read before it is kept.
 */
export async function assertHeld(section: Section): Promise<void> {
  const page = await Deno.readTextFile(PAGE);
  const found = withSection(page, section, markdownTable(section));
  if (plain(page) === plain(found)) return;
  if (Deno.env.get("UPDATE_TABLES") === "1") return await Deno.writeTextFile(PAGE, found);
  const lines = new Set(plain(page).split("\n"));
  const other = plain(found).split("\n").filter((line) => !lines.has(line));
  throw new Error(`docs/security.md says otherwise of "${section.name}". Found:\n${other.join("\n")}`);
}

/** Without what the formatter does to a table. */
function plain(page: string): string {
  return page.replaceAll(/ +/g, " ").replaceAll(/:?-{2,}:?/g, "-");
}
