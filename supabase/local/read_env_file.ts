import { parseEnv } from "node:util";

/** The variables of a file in the form of `.env`; none if there is no such file. */
export async function readEnvFile(file: URL): Promise<Record<string, string>> {
  try {
    return parseEnv(await Deno.readTextFile(file)) as Record<string, string>;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return {};
    throw error;
  }
}
