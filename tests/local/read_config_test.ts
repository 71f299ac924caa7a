import { assertEquals } from "@std/assert";
import { readConfig } from "../../supabase/local/read_config.ts";

const ROOT = new URL("../../", import.meta.url);

Deno.test("supabase/config.toml names the three functions, which verify tokens themselves", async () => {
  const config = await readConfig(new URL("supabase/config.toml", ROOT));
  assertEquals([config.projectId, config.apiPort], ["edge-sockets", 54321]);
  assertEquals(
    config.functions,
    ["echo", "chat", "relay"].map((name) => ({
      name,
      entrypoint: new URL(`functions/${name}/index.ts`, ROOT),
      importMap: new URL("deno.json", ROOT),
      verifyJwt: false,
    })),
  );
});

Deno.test("readConfig() has the defaults of the CLI", async () => {
  const folder = await Deno.makeTempDir();
  const file = new URL(`file://${folder}/config.toml`);
  await Deno.writeTextFile(file, "[functions.one]\n[functions.two]\nenabled = false\n");
  assertEquals(await readConfig(file), {
    projectId: "local",
    apiPort: 54321,
    functions: [{ name: "one", entrypoint: new URL("functions/one/index.ts", file), verifyJwt: true }],
  });
  await Deno.remove(folder, { recursive: true });
});
