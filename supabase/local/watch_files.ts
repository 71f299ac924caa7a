import { fileURLToPath } from "node:url";

/** A watch that is under way. */
export interface Watch {
  /** Ends it. May be called twice. */
  close(): void;
}

const SETTLE_MS = 150;

/**
 * Calls `onChange` with a file that changed under the folders, once for changes that come close together. Folders that
 * do not exist are left out.
 */
export function watchFiles(folders: readonly URL[], onChange: (file: string) => void): Watch {
  const paths = folders.map((folder) => fileURLToPath(folder)).filter(exists);
  if (paths.length === 0) return { close() {} };
  const watcher = Deno.watchFs(paths);
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isClosed = false;

  async function run(): Promise<void> {
    for await (const event of watcher) {
      const file = event.paths.find((path) => /\.(ts|tsx|js|json|sql)$/.test(path));
      if (event.kind === "access" || file === undefined) continue;
      clearTimeout(timer);
      timer = setTimeout(() => onChange(file), SETTLE_MS);
    }
  }

  run();
  return {
    close() {
      if (isClosed) return;
      isClosed = true;
      clearTimeout(timer);
      watcher.close();
    },
  };
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
