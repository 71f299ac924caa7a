/** Programs that some tests need and a machine may lack. */
const PROGRAMS = {
  "chromium": {
    names: ["chromium", "chromium-browser", "google-chrome"],
    pathVariable: "CHROMIUM_PATH",
    debianPackage: "chromium",
  },
  "postgresql": { names: ["initdb"], pathVariable: "INITDB_PATH", debianPackage: "postgresql" },
  "redis-server": { names: ["redis-server"], pathVariable: "REDIS_SERVER_PATH", debianPackage: "redis-server" },
} as const;

/** A program that a test may need. */
export type Program = keyof typeof PROGRAMS;

/** What a test that needs a program puts into its definition, and where the program is. */
export interface Requirement {
  /** Whether the test is skipped: the program is missing and this is not a CI run, where a missing program is a failure. */
  readonly ignore: boolean;
  /** Goes at the end of the test's name: empty, or why it is skipped and what to do about it. */
  readonly suffix: string;
  /** The program's absolute path; for `postgresql` that of `initdb`, beside which the others lie. Throws where it is missing. */
  readonly path: string;
}

/** The machine as `requires` sees it. */
export interface Machine {
  readonly env: (name: string) => string | undefined;
  readonly isFile: (path: string) => boolean;
  /** Folders to search after those of `PATH`. */
  readonly folders: readonly string[];
}

/**
 * Says whether the machine has `program`, for a test that cannot run without it.
 *
 * ```ts
 * const chromium = requires("chromium");
 * Deno.test({ name: `two people chat${chromium.suffix}`, ignore: chromium.ignore, fn: () => launch(chromium.path) });
 * ```
 */
export function requires(program: Program, machine: Machine = thisMachine()): Requirement {
  const { debianPackage } = PROGRAMS[program];
  const path = find(program, machine);
  if (path !== undefined) return { ignore: false, suffix: "", path };
  const reason = `${program} is not installed: apt-get install ${debianPackage}`;
  const isCi = machine.env("CI") === "true";
  return {
    ignore: !isCi,
    suffix: isCi ? "" : ` (skipped: ${reason})`,
    get path(): string {
      throw new Error(`Cannot run this test as ${reason}`);
    },
  };
}

function find(program: Program, machine: Machine): string | undefined {
  const { names, pathVariable } = PROGRAMS[program];
  const given = machine.env(pathVariable);
  if (given) return machine.isFile(given) ? given : undefined;
  const folders = [...(machine.env("PATH") ?? "").split(":"), ...machine.folders].filter((folder) => folder !== "");
  const candidates = names.flatMap((name) => folders.map((folder) => `${folder}/${name}`));
  return candidates.find(machine.isFile);
}

function thisMachine(): Machine {
  return { env: (name) => Deno.env.get(name), isFile, folders: postgresFolders() };
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false; // Missing, or in a folder that may not be read: not there for us either way.
  }
}

/** Debian keeps the server's programs out of `PATH`, in one folder a version; the newest comes first. */
function postgresFolders(): string[] {
  const root = "/usr/lib/postgresql";
  try {
    const versions = [...Deno.readDirSync(root)].map((entry) => entry.name);
    return versions.sort((a, b) => Number(b) - Number(a)).map((version) => `${root}/${version}/bin`);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}
