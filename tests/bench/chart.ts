/** Bars that belong together, side by side: one for each name of the chart, missing ones left out. */
export interface ChartGroup {
  readonly label: string;
  readonly values: readonly (number | undefined)[];
}

/** A bar chart. */
export interface Chart {
  readonly title: string;
  /** What the values are, with their unit. */
  readonly caption: string;
  /** The names of the bars of a group, in their order; five at most. */
  readonly names: readonly string[];
  readonly groups: readonly ChartGroup[];
}

const WIDTH = 760;
const LABEL_WIDTH = 190;
const VALUE_WIDTH = 70;
const BAR = 14;
const GAP = 16;
const TOP = 74;

/** Colours that are told apart by most eyes, on white and on a dark page alike (after Okabe and Ito). */
const COLOURS = ["#8a8f98", "#0072b2", "#009e73", "#d55e00", "#cc79a7"];

/**
 * A chart as SVG: horizontal bars with their values as text, so that nothing has to be read off an axis; legible on light
 * and dark pages, and by a screen reader, which hears title and caption.
 */
export function barChart({ title, caption, names, groups }: Chart): string {
  if (names.length > COLOURS.length) {
    throw new RangeError(`Cannot draw ${names.length} bars a group: ${COLOURS.length} are told apart`);
  }
  const most = Math.max(...groups.flatMap(({ values }) => values.map((value) => value ?? 0)), Number.MIN_VALUE);
  const scale = (WIDTH - LABEL_WIDTH - VALUE_WIDTH) / most;
  let y = TOP;
  const rows = groups.map(({ label, values }) => {
    const top = y;
    const bars = values.flatMap((value, i) => {
      if (value === undefined) return [];
      const width = Math.max(1, Math.round(value * scale));
      const bar =
        `<rect x="${LABEL_WIDTH}" y="${y}" width="${width}" height="${BAR - 2}" fill="${COLOURS[i]}" rx="2"/>` +
        `<text class="value" x="${LABEL_WIDTH + width + 6}" y="${y + BAR - 4}">${shown(value)}</text>`;
      y += BAR;
      return [bar];
    });
    const middle = (top + y) / 2 + 3;
    y += GAP;
    return `<text class="label" x="${LABEL_WIDTH - 10}" y="${middle}">${escape(label)}</text>${bars.join("")}`;
  });
  let x = 16;
  const legend = names.map((name, i) => {
    const entry = `<rect x="${x}" y="48" width="12" height="12" fill="${COLOURS[i]}" rx="2"/>` +
      `<text x="${x + 18}" y="58">${escape(name)}</text>`;
    x += 40 + name.length * 7.5;
    return entry;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y}" width="${WIDTH}" height="${y}" role="img" aria-labelledby="title desc">
<title id="title">${escape(title)}</title>
<desc id="desc">${escape(caption)}</desc>
<style>
text { font: 12px system-ui, sans-serif; fill: #24292f }
.title { font-size: 15px; font-weight: 600 }
.label { text-anchor: end }
.page { fill: #ffffff }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .page { fill: #0d1117 } }
</style>
<rect class="page" width="${WIDTH}" height="${y}"/>
<text class="title" x="16" y="22">${escape(title)}</text>
<text x="16" y="39">${escape(caption)}</text>
${[...legend, ...rows].join("\n")}
</svg>
`;
}

/** Three digits, or all of a whole number. */
function shown(value: number): string {
  return Number.isInteger(value) || value >= 100 ? Math.round(value).toLocaleString("en") : value.toPrecision(3);
}

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}
