/** Tests that run in one process. */
export interface TestGroup {
  readonly name: string;
  /** Paths from the root of the repository. */
  readonly files: readonly string[];
  /** Whether the files may run beside each other: they keep to themselves and measure nothing. */
  readonly parallel: boolean;
}

/** What tests need most of the machine and are worth least while something else is red: these come last. */
const LAST = ["browser", "deploy"];

/**
 * Sorts test files into groups by their folder in `tests/`, the quick ones first: the architecture, then the units (the
 * folders that mirror `shared/`, and the gate's own), then each other folder by itself, so that one that crashes hides
 * no other.
 *
 * @param files paths such as `tests/auth/verify_token_test.ts`
 * @param units names of the folders that hold unit tests
 */
export function planTests(files: readonly string[], units: ReadonlySet<string>): TestGroup[] {
  const byFolder = Map.groupBy([...files].sort(), (file) => file.split("/")[1] ?? "");
  const folders = [...byFolder.keys()].sort((a, b) => LAST.indexOf(a) - LAST.indexOf(b));
  const alone = folders.filter((folder) => !units.has(folder) && folder !== "architecture");
  return [
    group("architecture", byFolder.get("architecture") ?? [], false),
    group("units", folders.filter((folder) => units.has(folder)).flatMap((folder) => byFolder.get(folder) ?? []), true),
    ...alone.map((folder) => group(folder, byFolder.get(folder) ?? [], false)),
  ].filter(({ files }) => files.length > 0);
}

function group(name: string, files: readonly string[], parallel: boolean): TestGroup {
  return { name, files, parallel };
}

/** The test files below a folder, by the names that `deno test` looks for; a file stands for itself. */
export function* findTestFiles(path: string): Generator<string> {
  if (Deno.statSync(path).isFile) return yield path;
  const folder = path.replace(/\/+$/, "");
  for (const { name, isDirectory } of Deno.readDirSync(folder)) {
    if (isDirectory || /_test\.tsx?$/.test(name)) yield* findTestFiles(`${folder}/${name}`);
  }
}
