/** A measured part of the bench, as it stands in the terminal and in docs/bench.md. */
export interface Section {
  /** Names the place in the page: `<!-- begin NAME -->` to `<!-- end NAME -->`. */
  readonly name: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** A Markdown table whose columns line up: the first ones of text to the left, numbers to the right. */
export function markdownTable({ columns, rows }: Section): string {
  const isNumber = columns.map((_, index) => rows.every((row) => /^[\d.,x –-]*$/.test(row[index]!)));
  const widths = columns.map((name, index) => Math.max(3, name.length, ...rows.map((row) => row[index]!.length)));
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, i) => isNumber[i] ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)).join(" | ")} |`;
  const rule = widths.map((width, i) => isNumber[i] ? `${"-".repeat(width - 1)}:` : "-".repeat(width));
  return [line(columns), line(rule), ...rows.map(line)].join("\n");
}

/** The page with the section's table in its place. Throws where the page has no such place. */
export function withSection(page: string, section: Section, text = markdownTable(section)): string {
  const [begin, end] = [`<!-- begin ${section.name} -->`, `<!-- end ${section.name} -->`];
  const [from, to] = [page.indexOf(begin), page.indexOf(end)];
  if (from === -1 || to < from) throw new Error(`Cannot write "${section.name}" as the page lacks ${begin} … ${end}`);
  return `${page.slice(0, from + begin.length)}\n\n${text}\n\n${page.slice(to)}`;
}
