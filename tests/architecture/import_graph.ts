/** What each file imports, static, dynamic and of types alike: paths from the root, or specifiers of packages such as `npm:jose@6.2.17`. */
export type ImportGraph = ReadonlyMap<string, readonly string[]>;

interface ModuleInfo {
  readonly specifier: string;
  readonly error?: string;
  readonly dependencies?: readonly {
    readonly specifier: string;
    readonly code?: { readonly specifier?: string; readonly error?: string };
    readonly type?: { readonly specifier?: string; readonly error?: string };
  }[];
}

/**
 * Reads the imports of `files` from `deno info --json`, by one entry that imports them all. Throws where a file or one of
 * its imports cannot be resolved.
 *
 * @param files paths from `root`
 */
export async function readImportGraph(root: URL, files: readonly string[]): Promise<ImportGraph> {
  const entry = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    await Deno.writeTextFile(entry, files.map((file) => `import "${new URL(file, root)}";\n`).join(""));
    const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["info", "--json", "--no-lock", "--config", "deno.json", entry],
      cwd: root,
      stdin: "null",
    }).output();
    if (!success) throw new Error(`Cannot read the imports: ${new TextDecoder().decode(stderr)}`);
    const { modules } = JSON.parse(new TextDecoder().decode(stdout)) as { modules: ModuleInfo[] };
    const own = modules.filter(({ specifier }) => specifier.startsWith(root.href));
    return new Map(own.map((module) => [pathFrom(root, module.specifier), importsOf(root, module)]));
  } finally {
    await Deno.remove(entry);
  }
}

function importsOf(root: URL, { specifier, error, dependencies = [] }: ModuleInfo): string[] {
  if (error) throw new Error(`Cannot read the imports of ${specifier}: ${error}`);
  return dependencies.map(({ specifier: written, code, type }) => {
    const resolved = code?.specifier ?? type?.specifier;
    if (!resolved) throw new Error(`Cannot resolve "${written}" in ${specifier}: ${code?.error ?? type?.error}`);
    return pathFrom(root, resolved);
  });
}

function pathFrom(root: URL, specifier: string): string {
  return specifier.startsWith(root.href) ? specifier.slice(root.href.length) : specifier;
}
