import { barChart } from "./chart.ts";
import type { Section } from "./table.ts";

/** Which columns of a section make its chart. */
interface ChartColumns {
  readonly title: string;
  readonly caption: string;
  /** What a group of bars is called. */
  readonly label: readonly string[];
  /** What tells the bars of a group apart; nothing where there is one. */
  readonly name?: string;
  readonly value: string;
}

const CHARTS: Readonly<Record<string, ChartColumns>> = {
  "fan-out": {
    title: "What a delivered message costs",
    caption: "CPU of the server for each delivery, in microseconds; shorter is cheaper",
    label: ["members", "load"],
    name: "system",
    value: "us/delivery",
  },
  store: {
    title: "From send to delivery, through PostgreSQL",
    caption: "median in milliseconds; saturated, a message waits for those before it",
    label: ["load"],
    name: "writes",
    value: "p50 ms",
  },
  connecting: {
    title: "What a connection costs",
    caption: "CPU of the server to accept, greet and close one with a new token, in microseconds",
    label: ["system"],
    value: "us, new token",
  },
};

/** The chart of a measured section as SVG; `undefined` where it has none. */
export function sectionChart({ name: section, columns, rows }: Section): string | undefined {
  const chart = CHARTS[section];
  if (chart === undefined) return undefined;
  const cell = (row: readonly string[], column: string) => row[columns.indexOf(column)] ?? "";
  const nameOf = (row: readonly string[]) => chart.name === undefined ? "" : cell(row, chart.name);
  const names = [...new Set(rows.map(nameOf))];
  const groups = Map.groupBy(rows, (row) => chart.label.map((column) => cell(row, column)).join(" × "));
  return barChart({
    title: chart.title,
    caption: chart.caption,
    names: chart.name === undefined ? [chart.value] : names,
    groups: [...groups].map(([label, group]) => ({
      label,
      values: names.map((name) => numberOf(group.find((row) => nameOf(row) === name), chart.value)),
    })),
  });

  function numberOf(row: readonly string[] | undefined, column: string): number | undefined {
    return row && Number(cell(row, column).replaceAll(",", ""));
  }
}
