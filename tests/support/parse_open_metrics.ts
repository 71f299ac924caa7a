/** A sample as it stands in the text: its name has the suffix of its type. */
export interface ParsedSample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** A family with its samples, in their order. */
export interface ParsedFamily {
  readonly type: string;
  readonly unit?: string;
  readonly help?: string;
  readonly samples: readonly ParsedSample[];
}

type Draft = { type?: string; unit?: string; help?: string; samples: ParsedSample[] };

/** The suffixes of a type's samples; OpenMetrics 1.0, section "Metric Types". Timestamps and exemplars are not read. */
const SUFFIXES: Readonly<Record<string, readonly string[]>> = {
  counter: ["_total", "_created"],
  gauge: [""],
  histogram: ["_bucket", "_count", "_sum", "_created"],
  info: ["_info"],
  stateset: [""],
  unknown: [""],
};

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const DESCRIPTOR = /^# (TYPE|UNIT|HELP) (\S+) (.*)$/s;
const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/s;
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\.)*)"(,|$)/y;
const NUMBER = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?$/i;

/**
 * Reads OpenMetrics 1.0 text by the grammar of its specification (section "Text format", ABNF), and holds it to the rules
 * beside the grammar: one TYPE for each family and before its samples, families that do not mix, units that end the
 * name, counters that do not fall below 0, buckets that grow up to `+Inf`. Throws for whatever breaks one.
 */
export function parseOpenMetrics(text: string): Map<string, ParsedFamily> {
  if (!/(^|\n)# EOF\n?$/.test(text)) throw new SyntaxError("The text does not end in # EOF");
  const families = new Map<string, Draft>();
  let current = "";
  for (const line of text.replace(/# EOF\n?$/, "").split("\n").slice(0, -1)) {
    current = line.startsWith("#") ? readDescriptor(line, families, current) : readSample(line, families, current);
  }
  return new Map([...families].map(([name, family]) => [name, checkFamily(name, family, families)]));
}

function readDescriptor(line: string, families: Map<string, Draft>, current: string): string {
  const [, kind = "", name = "", text = ""] = DESCRIPTOR.exec(line) ?? fail(line, "it is no descriptor");
  if (!NAME.test(name)) fail(line, "its name is none");
  if (name !== current && families.has(name)) fail(line, "its family has ended before");
  const family = families.get(name) ?? { samples: [] };
  families.set(name, family);
  const key = kind.toLowerCase() as "type" | "unit" | "help";
  if (family[key] !== undefined) fail(line, "there is another one");
  if (family.samples.length > 0) fail(line, "it comes after samples");
  if (kind === "TYPE" && SUFFIXES[text] === undefined) fail(line, "there is no such type");
  if (kind === "UNIT" && !name.endsWith(`_${text}`)) fail(line, "the name does not end in the unit");
  if (kind === "HELP" && /(^|[^\\])(\\\\)*\\([^\\n"]|$)|[^\\]"|^"/.test(text)) fail(line, "its text is not escaped");
  family[key] = text;
  return name;
}

function readSample(line: string, families: Map<string, Draft>, current: string): string {
  const [, name = "", labels = "", number = ""] = SAMPLE.exec(line) ?? fail(line, "it is no sample");
  const family = families.get(current) ?? fail(line, "it has no family");
  const suffix = SUFFIXES[family.type ?? "unknown"]!.find((suffix) => name === current + suffix);
  if (suffix === undefined) fail(line, `a ${family.type} named ${current} has no such sample`);
  const sample = { name, labels: readLabels(line, labels), value: readNumber(line, number) };
  if (family.samples.some((other) => identity(other) === identity(sample))) fail(line, "there is another one");
  family.samples.push(sample);
  return current;
}

function readLabels(line: string, text: string): Record<string, string> {
  const labels: Record<string, string> = {};
  for (LABEL.lastIndex = 0; LABEL.lastIndex < text.length;) {
    const [, name = "", value = "", end] = LABEL.exec(text) ?? fail(line, "its labels are none");
    if (Object.hasOwn(labels, name)) fail(line, `there are two labels ${name}`);
    if (end === "," && LABEL.lastIndex === text.length) fail(line, "its labels end in a comma");
    labels[name] = value.replace(/\\(.)/g, (_, char) => char === "n" ? "\n" : char);
  }
  return labels;
}

function readNumber(line: string, text: string): number {
  if (NUMBER.test(text)) return Number(text);
  if (/^[+-]?inf(inity)?$/i.test(text)) return text.startsWith("-") ? -Infinity : Infinity;
  return /^nan$/i.test(text) ? NaN : fail(line, "its value is no number");
}

function checkFamily(name: string, { type, ...rest }: Draft, families: ReadonlyMap<string, Draft>): ParsedFamily {
  if (type === undefined) fail(name, "it has no TYPE");
  for (const suffix of SUFFIXES[type]!) {
    if (suffix !== "" && families.has(name + suffix)) fail(name, `the family ${name}${suffix} clashes with it`);
  }
  if (type === "counter" && rest.samples.some(({ value }) => !(value >= 0))) fail(name, "a counter is below 0");
  if (type === "histogram") checkBuckets(name, rest.samples);
  return { type, ...rest };
}

/** Each set of labels has buckets that grow up to `+Inf`, whose count is the whole, and it stands together. */
function checkBuckets(name: string, samples: readonly ParsedSample[]): void {
  const groups = Map.groupBy(samples, ({ labels: { le: _, ...labels } }) => JSON.stringify(labels));
  const order = [...new Set(samples.map(({ labels: { le: _, ...labels } }) => JSON.stringify(labels)))];
  if ([...groups.values()].flat().some((sample, i) => sample !== samples[i])) fail(name, `its metrics mix: ${order}`);
  for (const [labels, group] of groups) {
    const buckets = group.filter((sample) => sample.name === `${name}_bucket`);
    const bounds = buckets.map(({ labels: { le = "" } }) => readNumber(name, le));
    const grows = (values: readonly number[], strictly: boolean) =>
      values.every((value, i) => i === 0 || (strictly ? value > values[i - 1]! : value >= values[i - 1]!));
    if (bounds.at(-1) !== Infinity || !grows(bounds, true)) fail(name, `the bounds of ${labels} do not grow to +Inf`);
    if (!grows(buckets.map(({ value }) => value), false)) fail(name, `the buckets of ${labels} do not grow`);
    const count = group.find((sample) => sample.name === `${name}_count`)?.value;
    if (count !== buckets.at(-1)!.value) fail(name, `the count of ${labels} is not that of +Inf`);
    if (!group.some((sample) => sample.name === `${name}_sum`)) fail(name, `${labels} has no sum`);
  }
}

function identity({ name, labels }: ParsedSample): string {
  return JSON.stringify([name, Object.entries(labels).sort()]);
}

function fail(where: string, why: string): never {
  throw new SyntaxError(`Cannot read "${where}" as ${why}`);
}
