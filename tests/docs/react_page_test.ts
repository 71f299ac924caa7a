import { assert, assertEquals } from "@std/assert";
import { checkModules } from "./check_modules.ts";
import { blocksIn } from "./pages.ts";

const ROOT = new URL("../../", import.meta.url);
/** The page's types are those of a browser, and it knows JSX. */
const CHECK = { config: "supabase/local/site/deno.json", extension: "tsx" } as const;

Deno.test("components in docs have the types that the hooks have", async () => {
  const blocks = blocksIn("tsx");
  assert(blocks.length > 1);
  const components = blocks.map(({ code }) =>
    code.replaceAll(`"edge-sockets/react"`, `"${ROOT.href}shared/react/mod.ts"`)
  );
  const wrong = components[0]!.replace("send(currentTarget.value)", "send({ text: currentTarget.value })");
  // In the same run, as that takes seconds.
  const modules = [...components, wrong].map((code, i) => [`component_${i}`, code] as const);
  const said = await checkModules(new Map(modules), CHECK);
  assert(said.includes("'text' does not exist"), "what is wrong is found");
  const faulty = new Set([...said.matchAll(/component_(\d+)\.tsx:\d+:\d+$/gm)].map(([, number]) => Number(number)));
  assertEquals(faulty, new Set([components.length]), said);
});
