import { assert, assertEquals } from "@std/assert";
import { blocksIn } from "./pages.ts";

const ROOT = new URL("../../", import.meta.url);
/** Its types are those of a browser, and it knows JSX. */
const CONFIG = new URL("supabase/local/site/deno.json", ROOT);

Deno.test("components in docs have the types that the hooks have", async () => {
  const blocks = blocksIn("tsx");
  assert(blocks.length > 1);
  const components = blocks.map(({ code }) =>
    code.replaceAll(`"edge-sockets/react"`, `"${ROOT.href}shared/react/mod.ts"`)
  );
  const wrong = components[0]!.replace("send(currentTarget.value)", "send({ text: currentTarget.value })");
  // In the same run, as that takes seconds.
  const said = await complaints([...components, wrong]);
  assert(said.includes("'text' does not exist"), "what is wrong is found");
  const faulty = new Set([...said.matchAll(/component_(\d+)\.tsx:\d+:\d+$/gm)].map(([, number]) => Number(number)));
  assertEquals(faulty, new Set([components.length]), said);
});

/** The complaints of the type checker about components. */
async function complaints(components: readonly string[]): Promise<string> {
  const folder = await Deno.makeTempDir();
  try {
    const paths = components.map((_, i) => `${folder}/component_${i}.tsx`);
    for (const [i, path] of paths.entries()) await Deno.writeTextFile(path, components[i]!);
    const { success, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["check", "--quiet", "--config", CONFIG.pathname, ...paths],
      env: { NO_COLOR: "1" },
      stdin: "null",
    }).output();
    return success ? "" : new TextDecoder().decode(stderr);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
