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

/** The section as it stands in the page, and the line beneath its table. Throws where the page has no such section. */
export function sectionOf(page: string, name: string): { section: Section; note: string } {
  const { from, to } = placeOf(page, name);
  const lines = page.slice(from, to).trim().split("\n");
  const [columns, , ...rows] = lines.filter((line) => line.startsWith("|")).map((line) =>
    line.split("|").slice(1, -1).map((cell) => cell.trim())
  );
  if (columns === undefined) throw new Error(`Cannot read "${name}" as the page has no table there`);
  return { section: { name, columns, rows }, note: lines.filter((line) => !line.startsWith("|")).join("\n").trim() };
}

/** The page with the section's table in its place. Throws where the page has no such place. */
export function withSection(page: string, section: Section, text = markdownTable(section)): string {
  const { from, to } = placeOf(page, section.name);
  return `${page.slice(0, from)}\n\n${text}\n\n${page.slice(to)}`;
}

function placeOf(page: string, name: string): { from: number; to: number } {
  const [begin, end] = [`<!-- begin ${name} -->`, `<!-- end ${name} -->`];
  const [from, to] = [page.indexOf(begin), page.indexOf(end)];
  if (from === -1 || to < from) throw new Error(`Cannot find "${name}" as the page lacks ${begin} … ${end}`);
  return { from: from + begin.length, to };
}
