import { fileURLToPath } from "node:url";

/** Bundles a module and all that it imports as one script for browsers. Rejects with what the bundler says is wrong. */
export async function bundleForBrowser(entry: URL): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["bundle", "--quiet", "--no-lock", "--platform=browser", fileURLToPath(entry)],
    cwd: new URL("../../", import.meta.url),
    stdin: "null",
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}
