import type { Histogram, Labels, MetricFamily } from "./metrics.ts";

/** The media type of what `writeOpenMetrics` gives. */
export const OPEN_METRICS_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8";

const UNITS = ["seconds", "bytes"];

/**
 * The families as OpenMetrics 1.0 text, each sample with the `common` labels as well. The names of families are to
 * differ; a family without samples is left out.
 */
export function writeOpenMetrics(families: readonly MetricFamily[], common: Labels = {}): string {
  const lines = families.filter(({ samples }) => samples.length > 0).flatMap((family) => linesOf(family, common));
  return [...lines, "# EOF\n"].join("\n");
}

function linesOf(family: MetricFamily, common: Labels): string[] {
  const { name, type, help } = family;
  const unit = UNITS.find((unit) => name.endsWith(`_${unit}`));
  return [
    `# TYPE ${name} ${type}`,
    ...(unit === undefined ? [] : [`# UNIT ${name} ${unit}`]),
    `# HELP ${name} ${escape(help)}`,
    ...(family.type === "histogram"
      ? family.samples.flatMap(({ labels, value }) => bucketLines(name, { ...common, ...labels }, value))
      : family.samples.map(({ labels, value }) => {
        return sample(family.type === "counter" ? `${name}_total` : name, { ...common, ...labels }, value);
      })),
  ];
}

/** Each bucket holds what those before it hold as well. */
function bucketLines(name: string, labels: Labels, { bounds, counts, sum }: Histogram): string[] {
  let total = 0;
  const buckets = counts.map((count, i) => {
    total += count;
    const le = i < bounds.length ? float(bounds[i]!) : "+Inf";
    return sample(`${name}_bucket`, { ...labels, le }, total);
  });
  return [...buckets, sample(`${name}_count`, labels, total), sample(`${name}_sum`, labels, sum)];
}

function sample(name: string, labels: Labels, value: number): string {
  const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escape(text)}"`);
  return `${name}${pairs.length === 0 ? "" : `{${pairs.join(",")}}`} ${number(value)}`;
}

/** `1` is written `1.0` where a float is meant to be read as the same text by everyone. */
function float(value: number): string {
  return Number.isInteger(value) ? value.toFixed(1) : String(value);
}

function number(value: number): string {
  if (Number.isFinite(value)) return String(value);
  return Number.isNaN(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf";
}

function escape(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll('"', '\\"');
}
