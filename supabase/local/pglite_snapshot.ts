import { PGlite } from "@electric-sql/pglite";

const ROOT = new URL("../../", import.meta.url);

/**
 * An empty database to start PGlite from, kept in a file beside what the CLI keeps. Making one takes seconds, loading one a
 * fraction of a second. A file that cannot be written is no error: the next start makes one again.
 */
export async function pgliteSnapshot(): Promise<Blob> {
  const file = await fileOfThisVersion();
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

/** A snapshot is of use to no other version than the one that made it. */
async function fileOfThisVersion(): Promise<URL> {
  const { imports } = JSON.parse(await Deno.readTextFile(new URL("deno.json", ROOT)));
  const version = (imports["@electric-sql/pglite"] as string).split("@").at(-1);
  return new URL(`supabase/.temp/pglite-${version}.tar`, ROOT);
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
