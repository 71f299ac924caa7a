import { relative } from "node:path";
import type { ServedFunction } from "./backends.ts";
import { createLock } from "./lock.ts";
import { type Watch, watchFiles } from "./watch_files.ts";

/**
 * Replaces the isolates of every function when a file under `folders` changes, and says so in one line. A function
 * whose new code cannot be loaded keeps its isolates, and the log says why.
 */
export function reloadOnChange(
  folders: readonly URL[],
  functions: ReadonlyMap<string, ServedFunction>,
  log: (line: string) => void,
): Watch {
  const inOrder = createLock(); // A change that comes while isolates start waits for them.
  return watchFiles(folders, (file) =>
    inOrder(async () => {
      const startedAt = performance.now();
      const results = await Promise.all([...functions].map(([name, { pool }]) => reload(name, pool, log)));
      const count = results.filter(Boolean).length;
      const tookMs = Math.round(performance.now() - startedAt);
      log(`reloaded ${count} of ${results.length} functions in ${tookMs} ms as ${relative(Deno.cwd(), file)} changed`);
    }));
}

async function reload(name: string, pool: ServedFunction["pool"], log: (line: string) => void): Promise<boolean> {
  try {
    await pool.reload();
    return true;
  } catch (error) {
    log(`${name} | keeps its old code: ${(error as Error).message}`);
    return false;
  }
}
