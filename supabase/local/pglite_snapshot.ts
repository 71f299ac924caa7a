import { PGlite } from "@electric-sql/pglite";
import config from "../../deno.json" with { type: "json" };

const [, version = ""] = /@([^@]+)$/.exec(config.imports["@electric-sql/pglite"]) ?? [];
/** A snapshot is of use to the version alone that made it. */
const FILE = new URL(`../.temp/pglite-${version}.tar`, import.meta.url);

/**
 * An empty database to start PGlite from, kept in `file`: beside what the CLI keeps, unless told otherwise. Making one takes seconds, loading one a fraction of a second.
 * A `file` that cannot be written is no error: the next start makes one again.
 */
export async function pgliteSnapshot(file = FILE): Promise<Blob> {
  try {
    return new Blob([await Deno.readFile(file)]);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  const empty = new PGlite();
  const snapshot = await empty.dumpDataDir("none");
  await empty.close();
  await keep(file, snapshot);
  return snapshot;
}

/** Writes beside `file` and renames, so that another process never reads half of it. */
async function keep(file: URL, snapshot: Blob): Promise<void> {
  const partial = new URL(`${file.href}.${crypto.randomUUID()}`);
  try {
    await Deno.mkdir(new URL(".", file), { recursive: true });
    await Deno.writeFile(partial, snapshot.stream());
    await Deno.rename(partial, file);
  } catch (error) {
    const isReadOnly = error instanceof Deno.errors.PermissionDenied || error instanceof Deno.errors.NotCapable;
    if (!isReadOnly) throw error;
  }
}
