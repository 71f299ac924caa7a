/** Test files of one process. */
export interface TestGroup {
  readonly name: string;
  /** Paths from the root of the repository. */
  readonly files: readonly string[];
  /** Whether the files may run beside each other: they keep to themselves and measure nothing. */
  readonly parallel: boolean;
  /** Whether another group may run beside it. */
  readonly shares: boolean;
}

/** The groups that take longest: these come first, so that none is left to run alone at the end. */
const LONGEST = ["integration", "local", "browser", "hostile", "faults"];

/**
 * Sorts test files into groups by their folder in `tests/`: the architecture, then the units (the folders that mirror
 * `shared/`, and the gate's own), then each other folder by itself, so that one that crashes hides no other.
 *
 * @param files paths such as `tests/auth/verify_token_test.ts`
 * @param units names of the folders that hold unit tests
 */
export function planTests(files: readonly string[], units: ReadonlySet<string>): TestGroup[] {
  const byFolder = Map.groupBy([...files].sort(), (file) => file.split("/")[1] ?? "");
  const folders = [...byFolder.keys()].sort((a, b) => rank(a) - rank(b));
  const alone = folders.filter((folder) => !units.has(folder) && folder !== "architecture");
  return [
    { name: "architecture", files: byFolder.get("architecture") ?? [], parallel: false, shares: false },
    {
      name: "units",
      files: folders.filter((folder) => units.has(folder)).flatMap((folder) => byFolder.get(folder) ?? []),
      parallel: true,
      shares: false,
    },
    ...alone.map((name) => ({ name, files: byFolder.get(name) ?? [], parallel: false, shares: true })),
  ].filter(({ files }) => files.length > 0);
}

function rank(folder: string): number {
  const place = LONGEST.indexOf(folder);
  return place === -1 ? LONGEST.length : place;
}

/** The test files below a folder, by the names that `deno test` looks for; a file stands for itself. */
export function* findTestFiles(path: string): Generator<string> {
  if (Deno.statSync(path).isFile) return yield path;
  const folder = path.replace(/\/+$/, "");
  for (const { name, isDirectory } of Deno.readDirSync(folder)) {
    if (isDirectory || /_test\.tsx?$/.test(name)) yield* findTestFiles(`${folder}/${name}`);
  }
}
