import { parse } from "@std/toml/parse";

/** A function that `config.toml` names. */
export interface FunctionConfig {
  name: string;
  /** The file that calls `Deno.serve`. */
  entrypoint: URL;
  /** The `deno.json` or import map that it runs with. */
  importMap?: URL;
  /** Whether the gateway asks for a valid token before a request reaches the function. */
  verifyJwt: boolean;
}

/** What supabase/local reads from `config.toml`. */
export interface ProjectConfig {
  projectId: string;
  apiPort: number;
  functions: FunctionConfig[];
}

interface ConfigToml {
  project_id?: string;
  api?: { port?: number };
  functions?: Record<
    string,
    { enabled?: boolean; entrypoint?: string; import_map?: string; verify_jwt?: boolean }
  >;
}

/**
 * Reads a `config.toml` of the Supabase CLI, with the CLI's defaults: port 54321, `functions/NAME/index.ts`, tokens
 * verified. Paths count from the file's folder.
 *
 * @throws {Deno.errors.NotFound} if there is no such file
 * @throws {SyntaxError} if it is no TOML
 */
export async function readConfig(file: URL): Promise<ProjectConfig> {
  const config = parse(await Deno.readTextFile(file)) as ConfigToml;
  const functions = Object.entries(config.functions ?? {}).filter(([, entry]) => entry.enabled !== false);
  return {
    projectId: config.project_id ?? "local",
    apiPort: config.api?.port ?? 54321,
    functions: functions.map(([name, entry]) => ({
      name,
      entrypoint: new URL(entry.entrypoint ?? `functions/${name}/index.ts`, file),
      ...(entry.import_map ? { importMap: new URL(entry.import_map, file) } : {}),
      verifyJwt: entry.verify_jwt ?? true,
    })),
  };
}

/** Every folder of `directory` that holds an `index.ts`, as a function that verifies tokens itself. */
export async function readFunctionsFolder(directory: URL, importMap?: URL): Promise<FunctionConfig[]> {
  const functions: FunctionConfig[] = [];
  for await (const entry of Deno.readDir(directory)) {
    const entrypoint = new URL(`${entry.name}/index.ts`, directory);
    if (!entry.isDirectory || !await isFile(entrypoint)) continue;
    functions.push({ name: entry.name, entrypoint, ...(importMap ? { importMap } : {}), verifyJwt: false });
  }
  return functions.sort((a, b) => a.name.localeCompare(b.name));
}

async function isFile(file: URL): Promise<boolean> {
  try {
    return (await Deno.stat(file)).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
