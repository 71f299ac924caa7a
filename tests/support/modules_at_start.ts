const CONFIG = new URL("../../deno.json", import.meta.url).pathname;

/** What `deno info --json` says, as far as it is read here. */
interface Graph {
  readonly redirects?: Readonly<Record<string, string>>;
  readonly modules: readonly {
    readonly specifier: string;
    readonly dependencies?: readonly { readonly code?: { readonly specifier: string }; readonly isDynamic?: boolean }[];
  }[];
}

/**
 * The modules that an entrypoint loads before its first line runs, itself among them: files as URLs, packages as `npm:`
 * and so on. What only types need, and what is imported when it is used, is left out.
 */
export async function modulesAtStart(entrypoint: URL): Promise<ReadonlySet<string>> {
  const args = ["info", "--json", "--no-lock", "--config", CONFIG, entrypoint.href];
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), { args, stdin: "null" }).output();
  if (!success) throw new Error(`Cannot read the imports of ${entrypoint}: ${new TextDecoder().decode(stderr)}`);
  const graph: Graph = JSON.parse(new TextDecoder().decode(stdout));
  const bySpecifier = new Map(graph.modules.map((module) => [module.specifier, module]));
  const found = new Set([entrypoint.href]);
  // A set shows what is added to it while it is gone through.
  for (const specifier of found) {
    for (const { code, isDynamic } of bySpecifier.get(specifier)?.dependencies ?? []) {
      if (code !== undefined && isDynamic !== true) found.add(graph.redirects?.[code.specifier] ?? code.specifier);
    }
  }
  return found;
}
