import { assert, assertEquals } from "@std/assert";

const ENTRY = new URL("../../shared/auth/mod.ts", import.meta.url).href;

interface Graph {
  readonly modules: {
    readonly specifier: string;
    readonly dependencies?: {
      readonly specifier: string;
      readonly code?: { readonly specifier: string };
      readonly isDynamic?: boolean;
    }[];
  }[];
}

Deno.test("shared/auth loads no package before the first token needs it", async () => {
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", "--no-lock", ENTRY],
    stderr: "null",
  }).output();
  const graph: Graph = JSON.parse(new TextDecoder().decode(stdout));
  const loadedAtStart = new Set([ENTRY]);
  const later = new Set<string>();
  for (const specifier of loadedAtStart) {
    for (
      const { code, ...imported } of graph.modules.find((each) => each.specifier === specifier)?.dependencies ?? []
    ) {
      if (code === undefined) continue;
      if (imported.isDynamic) later.add(imported.specifier);
      else loadedAtStart.add(code.specifier);
    }
  }
  assert(loadedAtStart.size > 10, "The modules were not found");
  assertEquals([...loadedAtStart].filter((specifier) => !specifier.startsWith("file:")), []);
  assertEquals(later, new Set(["./jose.ts", "@supabase/supabase-js"]));
});
