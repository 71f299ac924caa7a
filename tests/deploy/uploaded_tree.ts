import { readImportGraph } from "../architecture/import_graph.ts";

/** Uploaded files in a folder of their own, which goes when it is disposed of. */
export interface UploadedTree extends AsyncDisposable {
  readonly root: URL;
}

/** Writes uploaded files under their paths. */
export async function writeTree(files: ReadonlyMap<string, Uint8Array>): Promise<UploadedTree> {
  const folder = await Deno.realPath(await Deno.makeTempDir({ prefix: "deploy-tree-" }));
  const root = new URL(`file://${folder}/`);
  for (const [path, content] of files) {
    const file = new URL(path, root);
    await Deno.mkdir(new URL(".", file), { recursive: true });
    await Deno.writeFile(file, content);
  }
  return { root, [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }) };
}

/** What is wrong with an upload: each list is empty where it is complete. */
export interface UploadFaults {
  /** Imports that lead neither to an uploaded file nor to a version of an npm package, as `FROM -> TO`. */
  readonly unresolved: readonly string[];
  /** Uploaded files that the entrypoint never reaches. */
  readonly surplus: readonly string[];
}

/** Follows all imports of `entrypoint` through an uploaded tree, by its own `deno.json`. Rejects where a file is missing. */
export async function findFaults(
  { root }: UploadedTree,
  entrypoint: string,
  paths: Iterable<string>,
): Promise<UploadFaults> {
  const graph = await readImportGraph(root, [entrypoint]);
  const unresolved = [...graph].flatMap(([from, imports]) =>
    imports.filter((to) => !graph.has(to) && !isPinnedPackage(to)).map((to) => `${from} -> ${to}`)
  );
  const surplus = [...paths].filter((path) => !graph.has(path) && path !== "deno.json");
  return { unresolved, surplus };
}

function isPinnedPackage(specifier: string): boolean {
  return /^npm:\/?(@[^/@]+\/)?[^/@]+@\d+\.\d+\.\d+(\/|$)/.test(specifier) || specifier.startsWith("node:");
}
