/** What an isolate loads before it serves counts for its CPU, of which it has two seconds in its life. */
import { assert, assertEquals } from "@std/assert";
import { modulesAtStart } from "../support/modules_at_start.ts";

const ROOT = new URL("../../", import.meta.url);

for (const name of ["echo", "relay", "chat"]) {
  Deno.test(`${name} starts without loading a package`, async () => {
    const modules = await modulesAtStart(new URL(`functions/${name}/index.ts`, ROOT));
    assert(modules.has(new URL("shared/connection/serve_sockets.ts", ROOT).href), "The modules were not found");
    assertEquals([...modules].filter((specifier) => !specifier.startsWith(ROOT.href)), []);
  });
}
