import { readJunit, type TestOutcome } from "./read_junit.ts";

/** What a run of tests came to. Each failure and each skipped test is one line. */
export interface Report {
  readonly passed: number;
  readonly failed: readonly string[];
  readonly skipped: readonly string[];
}

/** How tests are run. */
export interface RunTestsOptions {
  /** The folder that paths count from; the current one unless given. */
  readonly cwd?: string;
  /** Further arguments of `deno test`. */
  readonly args?: readonly string[];
  /** What stops the run; it then counts as failed. */
  readonly signal?: AbortSignal;
  /** Where the runner's own lines go: where this process's go, as they come or all at the end, or nowhere; `inherit` unless given. */
  readonly output?: "inherit" | "at end" | "null";
}

/**
 * Runs `deno test` and counts by its JUnit report, so that nothing a test prints can change the result. Whatever a report
 * leaves out counts as failed: a run that crashed or was stopped, a file that defines tests of which none ran, an exit code
 * that no failed test explains. A skipped test must say why at the end of its name, as `… (skipped: reason)`.
 */
export async function runTests(files: readonly string[], options: RunTestsOptions = {}): Promise<Report> {
  if (files.length === 0) return { passed: 0, failed: ["there is no test to run"], skipped: [] };
  const { cwd = Deno.cwd(), args = [], signal, output = "inherit" } = options;
  const folder = await Deno.makeTempDir({ prefix: "gate-" });
  try {
    const junitPath = `${folder}/junit.xml`;
    const status = await runDeno(["test", "-A", "--no-prompt", `--junit-path=${junitPath}`, ...args, ...files], {
      cwd,
      signal,
      output,
    });
    const xml = await Deno.readTextFile(junitPath).catch(() => undefined);
    if (xml === undefined) return { passed: 0, failed: [describeCrash(status, signal)], skipped: [] };
    const root = new URL(`file://${cwd}/`);
    const tests = readJunit(xml).map((test) => ({ ...test, file: relativeTo(root, test.file) }));
    const defining = files.map((file) => relativeTo(root, file)).filter((file) => definesTests(new URL(file, root)));
    return summarize(tests, defining, status);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function runDeno(
  args: string[],
  { output, ...options }: Required<Pick<RunTestsOptions, "output" | "cwd">> & Pick<RunTestsOptions, "signal">,
): Promise<Deno.CommandStatus> {
  const io = output === "at end" ? "piped" : output;
  const command = new Deno.Command(Deno.execPath(), { args, stdin: "null", stdout: io, stderr: io, ...options });
  if (output !== "at end") return await command.spawn().status;
  const { stdout, stderr, ...status } = await command.output();
  await new Blob([stdout, stderr]).stream().pipeTo(Deno.stdout.writable, { preventClose: true });
  return status;
}

/** A path as it is written from `folder`, however it was given. */
function relativeTo(folder: URL, path: string): string {
  const { href } = new URL(path, folder);
  return href.startsWith(folder.href) ? href.slice(folder.href.length) : href;
}

/** A report names the file in which a test is defined: one that only calls a suite of another file is not in it. */
function definesTests(file: URL): boolean {
  return /\bDeno\.test\b/.test(Deno.readTextFileSync(file));
}

function describeCrash(status: Deno.CommandStatus, signal: AbortSignal | undefined): string {
  if (signal?.aborted) return "the tests were stopped: they took too long";
  return `the tests ended without a report (${status.signal ?? `exit code ${status.code}`})`;
}

function summarize(tests: readonly TestOutcome[], defining: readonly string[], status: Deno.CommandStatus): Report {
  const reported = new Set(tests.map(({ file }) => file));
  const line = ({ file, name }: TestOutcome) => `${file}: ${name}`;
  const skipped = tests.filter(({ outcome }) => outcome === "skipped").map(line);
  const failed = [
    ...tests.filter(({ outcome }) => outcome === "failed").map(line),
    ...defining.filter((file) => !reported.has(file)).map((file) => `${file}: none of its tests ran`),
    ...skipped.filter((name) => !/\(skipped: .+\)$/.test(name)).map((name) => `${name}: is skipped without a reason`),
  ];
  if (!status.success && failed.length === 0) failed.push(`the tests ended with exit code ${status.code}`);
  return { passed: tests.filter(({ outcome }) => outcome === "passed").length, failed, skipped };
}

/** Adds reports up. */
export function addReports(reports: readonly Report[]): Report {
  return {
    passed: reports.reduce((sum, { passed }) => sum + passed, 0),
    failed: reports.flatMap(({ failed }) => failed),
    skipped: reports.flatMap(({ skipped }) => skipped),
  };
}
