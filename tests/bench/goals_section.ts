import { type Goal, GOALS, type Row } from "./goals.ts";
import { type Section, sectionOf } from "./table.ts";

const COLUMNS = ["figure", "Deno", "ours", "peer", "compared", "goal", "met"];

/**
 * The figures that have a goal, or a peer, in one table: taken from the tables that the page has, so that it says what
 * they say. Throws where one of them is not there.
 */
export function goalsSection(page: string): Section {
  return { name: "goals", columns: COLUMNS, rows: GOALS.map((goal) => rowOf(goal, page)) };
}

function rowOf({ figure, section: name, ours, peer, column, by, atMost, unit }: Goal, page: string): string[] {
  const { section, note } = sectionOf(page, name);
  const at = section.columns.indexOf(column);
  if (at === -1) throw new Error(`Cannot compare "${figure}" as ${name} has no column "${column}"`);
  const own = find(section, ours);
  const other = peer && find(section, peer);
  const [mine, others] = [numberIn(own, at), other && numberIn(other, at)];
  const compared = compare();
  const met = atMost === undefined ? "" : compared <= atMost ? "yes" : "no";
  const text = (value: number) => by === "ratio" ? value.toFixed(2) : `${round(value)} ${unit}`;
  return [
    figure,
    ours["Deno"] ?? /Deno (\d[\d.]*\d)/.exec(note)?.[1] ?? "",
    `${own[at]} ${unit}`,
    other === undefined ? "" : `${other[at]} ${unit}`,
    text(compared),
    atMost === undefined ? "" : text(atMost),
    met,
  ];

  function compare(): number {
    if (by === "itself") return mine;
    if (others === undefined) throw new Error(`Cannot compare "${figure}" with nothing`);
    if (by === "difference") return mine - others;
    // To its right, where it has one: the median of the rounds' ratios, which the ratio of the medians is not.
    return section.columns[at + 1]?.startsWith("ratio") ? numberIn(own, at + 1) : mine / others;
  }
}

function find({ name, columns, rows }: Section, wanted: Row): readonly string[] {
  const found = rows.filter((row) =>
    Object.entries(wanted).every(([column, cell]) => row[columns.indexOf(column)] === cell)
  );
  if (found.length === 1) return found[0]!;
  throw new Error(`Cannot find the one row of ${name} with ${JSON.stringify(wanted)}: there are ${found.length}`);
}

function numberIn(row: readonly string[], at: number): number {
  const value = Number(row[at]!.replaceAll(",", ""));
  if (Number.isNaN(value)) throw new Error(`Cannot read a number from "${row[at]}"`);
  return value;
}

function round(value: number): string {
  return value >= 100 ? value.toFixed(0) : String(Number(value.toFixed(1)));
}
