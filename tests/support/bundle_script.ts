import { fileURLToPath } from "node:url";

/** A script and all its imports as one, for a page; readable, where it is not to be `minified`. */
export async function bundleScript(entry: URL, { minify = false } = {}): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["bundle", "--quiet", "--no-lock", "--platform=browser", ...(minify ? ["--minify"] : [])],
      fileURLToPath(entry),
    ],
    cwd: new URL("../../", import.meta.url),
    stdin: "null",
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}
