const SKIPPED = new Set([".git", "node_modules", ".temp", ".branches", "dist", "api"]);

/** Every file of the repository below `folder`, as a path from `root`; what tools put there is left out. */
export function listFiles(root: URL, folder = ""): string[] {
  return [...Deno.readDirSync(new URL(folder, root))]
    .filter(({ name }) => !SKIPPED.has(name) && !name.startsWith(".env"))
    .flatMap(({ name, isDirectory }) => isDirectory ? listFiles(root, `${folder}${name}/`) : [`${folder}${name}`])
    .sort();
}

/** Whether a path is one of our modules. */
export function isModule(path: string): boolean {
  return /\.(ts|tsx|js|mjs)$/.test(path);
}

/** Whether a module is among those that are deployed: what the functions are made of. */
export function isDeployed(path: string): boolean {
  return isModule(path) && /^(functions|shared)\//.test(path);
}
