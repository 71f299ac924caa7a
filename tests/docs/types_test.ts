import { assert, assertEquals } from "@std/assert";
import { checkModules } from "./check_modules.ts";
import { pages } from "./pages.ts";
import { programOf, withModules } from "./read_blocks.ts";

const ROOT = new URL("../../", import.meta.url);

/** What a page's blocks take for granted, where each is a part of a program of the reader's. */
const PRELUDES: Readonly<Record<string, string>> = {
  "docs/relay.md": `
    import { createClient, RealtimeClient, type SupabaseClient } from "@supabase/supabase-js";
    import * as z from "zod/mini";
    import { defineTool } from "${ROOT}shared/relay/openai/server_tool.ts";
    declare const url: string, publishableKey: string, token: string;
    declare const session: { access_token: string }, supabase: SupabaseClient;`,
};

Deno.test("TypeScript and JavaScript in README and docs have the types that the project has", async () => {
  const modules = new Map<string, string>();
  for (const { path, blocks } of pages) {
    const prelude = PRELUDES[path];
    if (prelude === undefined) modules.set(path, programOf(blocks));
    for (const { info, code, line } of blocks) {
      const isOwn = info.startsWith("ts ") || (prelude !== undefined && info === "ts");
      if (isOwn) modules.set(`${path}:${line}`, withPrelude(withModules(code), prelude));
    }
  }
  assert(modules.size > 15);
  // One that is wrong, to see that it is found; in the same run, as that takes seconds.
  modules.set("wrong", modules.get("docs/client.md")!.replace("chat.send({ body:", "chat.send({ bodies:"));
  const complaints = await checkModules(modules);
  assert(complaints.includes("'bodies' does not exist"), complaints);
  const faulty = new Set([...complaints.matchAll(/at file:\S+\/([^/\s]+)\.ts:\d+:\d+$/gm)].map(([, name]) => name!));
  assertEquals(faulty, new Set(["wrong"]), complaints);
});

/** A block with what it takes for granted: imports in front, the rest in a scope of its own. */
function withPrelude(code: string, prelude?: string): string {
  if (prelude === undefined) return code;
  const imports = code.match(/^import [^;]*;/gm) ?? [];
  const rest = imports.reduce((rest, line) => rest.replace(line, ""), code);
  return `${imports.join("\n")}\n${prelude}\n{\n${rest}\n}\nexport {};\n`;
}
