import { markdownTable, type Section, withSection } from "../bench/table.ts";

/**
 * Fails where the page of docs/ has another table in the section's place: what it says is what was found. With
 * `UPDATE_TABLES=1` the page is written instead, to be read before it is kept.
 */
export async function assertHeld(name: string, section: Section): Promise<void> {
  const path = new URL(`../../docs/${name}`, import.meta.url);
  const page = await Deno.readTextFile(path);
  const found = withSection(page, section, markdownTable(section));
  if (plain(page) === plain(found)) return;
  if (Deno.env.get("UPDATE_TABLES") === "1") return await Deno.writeTextFile(path, found);
  const lines = new Set(plain(page).split("\n"));
  const other = plain(found).split("\n").filter((line) => !lines.has(line));
  throw new Error(`docs/${name} says otherwise of "${section.name}". Found:\n${other.join("\n")}`);
}

/** Without what the formatter does to a table. */
function plain(page: string): string {
  return page.replaceAll(/ +/g, " ").replaceAll(/:?-{2,}:?/g, "-");
}
