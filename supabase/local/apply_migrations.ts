import type { Database } from "./open_database.ts";

/**
 * Applies each `*.sql` of `directory` that the database has not seen, in the order of their names, each together
 * with its version in a transaction of its own: one that was cut off is applied again. A folder that does not exist counts as empty.
 *
 * @returns the names of the files applied
 * @throws {Error} that names the file and what the database said
 */
export async function applyMigrations(database: Database, directory: URL): Promise<string[]> {
  const applied: string[] = [];
  for (const name of await migrationsIn(directory)) {
    const [version] = name.split("_");
    const seen = await database.query("select 1 from supabase_migrations.schema_migrations where version = $1", [
      version,
    ]);
    if (seen.length > 0) continue;
    const text = await Deno.readTextFile(new URL(name, directory));
    try {
      await database.script(`${text}\n;${recordOf(name)}`);
    } catch (error) {
      throw new Error(`Cannot apply ${name}: ${describe(error, text)}`, { cause: error });
    }
    applied.push(name);
  }
  return applied;
}

/** The statement that remembers a file: its version, and what stands between that and the end. */
function recordOf(file: string): string {
  const [version = ""] = file.split("_");
  const name = file.replace(/^[^_]*_?/, "").replace(/\.sql$/, "");
  return `insert into supabase_migrations.schema_migrations (version, name) values (${quoted(version)}, ${
    quoted(name)
  })`;
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

async function migrationsIn(directory: URL): Promise<string[]> {
  const names: string[] = [];
  try {
    for await (const entry of Deno.readDir(directory)) {
      if (entry.isFile && entry.name.endsWith(".sql")) names.push(entry.name);
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return names.sort();
}

/** The database's message, and the line of the file where it says one. */
function describe(error: unknown, text: string): string {
  const { message, position } = error as { message: string; position?: string };
  if (!position) return message;
  return `${message} (line ${text.slice(0, Number(position)).split("\n").length})`;
}
