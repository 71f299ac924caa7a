/** One test of a report, or one step of it where it has steps: then its name is `TEST > STEP`. */
export interface TestOutcome {
  readonly file: string;
  readonly name: string;
  readonly outcome: "passed" | "failed" | "skipped";
}

/**
 * Reads the JUnit report that `deno test --junit-path` writes. A test with steps is counted by them, and by itself only where
 * it failed although each of them did not. Throws where the text is no such report.
 */
export function readJunit(xml: string): TestOutcome[] {
  if (!xml.trimEnd().endsWith("</testsuites>")) throw new SyntaxError("Cannot read the test report as it is cut off");
  return [...xml.matchAll(/<testsuite name="([^"]*)"[^>]*[^/]>(.*?)<\/testsuite>/gs)]
    .flatMap(([, file, body]) => readSuite(unescapeXml(file ?? ""), body ?? ""));
}

function readSuite(file: string, body: string): TestOutcome[] {
  const cases = [...body.matchAll(/<testcase name="([^"]*)"[^>]*>(.*?)<\/testcase>/gs)]
    .map(([, name, result]) => ({ file, name: unescapeXml(name ?? ""), outcome: outcomeOf(result ?? "") }));
  return cases.filter(({ name, outcome }) => {
    const steps = cases.filter((other) => other.name.startsWith(`${name} > `));
    return steps.length === 0 || (outcome === "failed" && steps.every((step) => step.outcome !== "failed"));
  });
}

function outcomeOf(result: string): TestOutcome["outcome"] {
  if (/<(failure|error)\b/.test(result)) return "failed";
  return /<skipped\b/.test(result) ? "skipped" : "passed";
}

const ENTITIES: Readonly<Record<string, string>> = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&" };

function unescapeXml(text: string): string {
  return text.replace(/&(?:#(\d+)|#x([\da-f]+)|(\w+));/gi, (entity, decimal, hex, name) => {
    if (decimal) return String.fromCodePoint(Number(decimal));
    if (hex) return String.fromCodePoint(parseInt(hex, 16));
    return ENTITIES[name] ?? entity;
  });
}
