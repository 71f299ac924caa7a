/** One test of a report: a step belongs to its test and stands for itself only where it was skipped. */
export interface TestOutcome {
  readonly file: string;
  readonly name: string;
  readonly outcome: "passed" | "failed" | "skipped";
}

/**
 * Reads the JUnit report that `deno test --junit-path` writes. A step is folded into its test, whose outcome includes it;
 * a skipped step is listed, as nothing else would tell of it. Throws where the text is no such report.
 */
export function readJunit(xml: string): TestOutcome[] {
  if (!xml.trimEnd().endsWith("</testsuites>")) throw new SyntaxError("Cannot read the test report as it is cut off");
  return [...xml.matchAll(/<testsuite name="([^"]*)"[^>]*[^/]>(.*?)<\/testsuite>/gs)]
    .flatMap(([, file, body]) => readSuite(unescapeXml(file ?? ""), body ?? ""));
}

function readSuite(file: string, body: string): TestOutcome[] {
  const cases = [...body.matchAll(/<testcase name="([^"]*)"[^>]*>(.*?)<\/testcase>/gs)];
  const names = new Set(cases.map(([, name]) => unescapeXml(name ?? "")));
  return cases
    .map(([, name, result]) => ({ file, name: unescapeXml(name ?? ""), outcome: outcomeOf(result ?? "") }))
    .filter(({ name, outcome }) => outcome === "skipped" || !isStep(name, names));
}

function outcomeOf(result: string): TestOutcome["outcome"] {
  if (/<(failure|error)\b/.test(result)) return "failed";
  return /<skipped\b/.test(result) ? "skipped" : "passed";
}

/** A step is reported as `TEST > STEP`. */
function isStep(name: string, names: ReadonlySet<string>): boolean {
  const ancestors = name.split(" > ").slice(0, -1).map((_, i, parts) => parts.slice(0, i + 1).join(" > "));
  return ancestors.some((ancestor) => names.has(ancestor));
}

const ENTITIES: Readonly<Record<string, string>> = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&" };

function unescapeXml(text: string): string {
  return text.replace(/&(?:#(\d+)|#x([\da-f]+)|(\w+));/gi, (entity, decimal, hex, name) => {
    if (decimal) return String.fromCodePoint(Number(decimal));
    if (hex) return String.fromCodePoint(parseInt(hex, 16));
    return ENTITIES[name] ?? entity;
  });
}
