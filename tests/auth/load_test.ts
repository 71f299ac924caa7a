import { assert, assertEquals } from "@std/assert";

interface Graph {
  readonly modules: {
    readonly specifier: string;
    readonly dependencies?: { readonly specifier: string; readonly code?: unknown; readonly isDynamic?: boolean }[];
  }[];
}

Deno.test("shared/auth loads no package before the first token needs it", async () => {
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", "--no-lock", new URL("../../shared/auth/mod.ts", import.meta.url).pathname],
    stderr: "null",
  }).output();
  const graph: Graph = JSON.parse(new TextDecoder().decode(stdout));
  const packages = graph.modules.filter(({ specifier }) => specifier.includes("/shared/auth/"))
    .flatMap(({ dependencies = [] }) => dependencies)
    .filter(({ specifier, code }) => code !== undefined && !specifier.startsWith("."));
  assertEquals(new Set(packages.map(({ specifier }) => specifier)), new Set(["jose", "@supabase/supabase-js"]));
  assert(packages.every(({ isDynamic }) => isDynamic === true), JSON.stringify(packages));
});
