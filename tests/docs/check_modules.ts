const ROOT = new URL("../../", import.meta.url);

/** The complaints of the type checker about modules, by name and text, in one go; empty where there are none. */
export async function checkModules(modules: ReadonlyMap<string, string>): Promise<string> {
  const folder = await Deno.makeTempDir();
  try {
    const paths = [...modules.keys()].map((name) => `${folder}/${name.replaceAll("/", "_")}.ts`);
    for (const [i, text] of [...modules.values()].entries()) await Deno.writeTextFile(paths[i]!, text);
    const { success, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["check", "--quiet", "--frozen", "--config", new URL("deno.json", ROOT).pathname, ...paths],
      env: { NO_COLOR: "1" },
      stdin: "null",
    }).output();
    return success ? "" : new TextDecoder().decode(stderr);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
