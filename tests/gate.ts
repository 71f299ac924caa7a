/**
 * The project's one gate: format, lint, types, architecture and every test, in this order and with one closing line.
 *
 * ```
 * deno task test              all of it
 * deno task test PATH…        the tests in these files and folders only
 * deno task check             format, lint, types and architecture
 * ```
 *
 * The last line on stdout is `N passed, N failed, N skipped`; the exit code is 1 where anything failed.
 */
// deno-lint-ignore-file no-console
import { findTestFiles, planTests, type TestGroup } from "./gate/plan_tests.ts";
import { addReports, type Report, runTests } from "./gate/run_tests.ts";

/** A hung test must not hang whoever waits for the gate; a slow machine alone must not fail it. */
const TIME_LIMIT_MS = 25 * 60_000;
/** What all of it should take. */
const AIM_MS = 15 * 60_000;

/** The page runs in a browser, whose global types are not those of Deno: it has a configuration of its own. */
const PAGE = ["--config", "supabase/local/site/deno.json", "supabase/local/site"];

const deadline = AbortSignal.timeout(TIME_LIMIT_MS);
const startedAt = performance.now();

Deno.chdir(new URL("..", import.meta.url));
const report = addReports(await runGate(Deno.args));
printReport(report);
Deno.exit(report.failed.length === 0 ? 0 : 1);

async function runGate(args: readonly string[]): Promise<Report[]> {
  if (args[0] === "--static") {
    return [
      ...await runChecks(),
      ...await runGroups(planAll().filter(({ name }) => name === "architecture")),
    ];
  }
  if (args.length > 0) return [await runTests(args.flatMap((path) => [...findTestFiles(path)]), { signal: deadline })];
  return [...await runChecks(), ...await runGroups(planAll())];
}

async function runChecks(): Promise<Report[]> {
  return [
    await runCheck("format", ["fmt", "--check"]),
    await runCheck("format of the page", ["fmt", "--check", ...PAGE]),
    await runCheck("lint", ["lint"]),
    await runCheck("lint of the page", ["lint", ...PAGE]),
    await runCheck("types", ["check", "."]),
    await runCheck("types of the page", ["check", ...PAGE]),
  ];
}

async function runCheck(name: string, args: readonly string[]): Promise<Report> {
  printHeading(`${name}: deno ${args.join(" ")}`);
  const command = new Deno.Command(Deno.execPath(), { args: [...args], stdin: "null", signal: deadline });
  const { code, stdout, stderr, success } = await command.output();
  if (success) return { passed: 1, failed: [], skipped: [] };
  console.log(new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr));
  return { passed: 0, failed: [`${name}: deno ${args.join(" ")} ended with exit code ${code}`], skipped: [] };
}

function planAll(): TestGroup[] {
  const mirrored = [...Deno.readDirSync("shared")].map(({ name }) => name);
  return planTests([...findTestFiles("tests")], new Set([...mirrored, "gate", "support"]));
}

async function runGroups(groups: readonly TestGroup[]): Promise<Report[]> {
  const reports: Report[] = [];
  for (const group of groups.filter(({ shares }) => !shares)) reports.push(await runGroup(group));
  // Two at a time: these wait for servers and browsers more than they compute.
  const waiting = groups.filter(({ shares }) => shares);
  const runLane = async () => {
    for (let group = waiting.shift(); group !== undefined; group = waiting.shift()) reports.push(await runGroup(group));
  };
  await Promise.all([runLane(), runLane()]);
  return reports;
}

function runGroup({ name, files, parallel, shares }: TestGroup): Promise<Report> {
  printHeading(`${name}: ${files.length} ${files.length === 1 ? "file" : "files"}`);
  const args = ["--no-check", ...(parallel ? ["--parallel"] : [])];
  return runTests(files, { args, signal: deadline, output: shares ? "at end" : "inherit" });
}

function printHeading(text: string): void {
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(0);
  console.log(`\n== ${text} (at ${seconds} s)`);
}

function printReport({ passed, failed, skipped }: Report): void {
  const tookMs = performance.now() - startedAt;
  console.log(`\n== took ${(tookMs / 1000).toFixed(1)} s`);
  if (tookMs > AIM_MS) console.log(`slower than the ${AIM_MS / 60_000} minutes that it should take`);
  for (const line of skipped) console.log(`skipped  ${line}`);
  for (const line of failed) console.log(`FAILED   ${line}`);
  console.log(`${passed} passed, ${failed.length} failed, ${skipped.length} skipped`);
}
