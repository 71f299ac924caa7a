const ROOT = new URL("../../", import.meta.url);

/** Where the types of modules come from. */
export interface CheckOptions {
  /** From the root; default `deno.json`. */
  readonly config?: string;
  /** Default `ts`. */
  readonly extension?: "ts" | "tsx";
}

/** The complaints of the type checker about modules, by name and text, in one go; empty where there are none. */
export async function checkModules(
  modules: ReadonlyMap<string, string>,
  { config = "deno.json", extension = "ts" }: CheckOptions = {},
): Promise<string> {
  const folder = await Deno.makeTempDir();
  try {
    const paths = [...modules.keys()].map((name) => `${folder}/${name.replaceAll("/", "_")}.${extension}`);
    for (const [i, text] of [...modules.values()].entries()) await Deno.writeTextFile(paths[i]!, text);
    const { success, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["check", "--quiet", "--frozen", "--config", new URL(config, ROOT).pathname, ...paths],
      env: { NO_COLOR: "1" },
      stdin: "null",
    }).output();
    return success ? "" : new TextDecoder().decode(stderr);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
