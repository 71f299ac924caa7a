/** What an isolate loads before it serves counts for its CPU, of which it has two seconds in its life. */
import { assert, assertEquals } from "@std/assert";
import { modulesAtStart } from "../support/modules_at_start.ts";

const ROOT = new URL("../../", import.meta.url);

/**
 * How much source each function may load, comments and types with it, in KiB: V8 takes some 20 us to parse one. A little
 * above what they do. Who needs more of it raises it, after having asked what the first frame needs of that.
 */
const MOST_KIB = { echo: 200, relay: 270, chat: 380 };

for (const [name, mostKib] of Object.entries(MOST_KIB)) {
  Deno.test(`${name} starts without loading a package, nor more source than it did`, async () => {
    const modules = await modulesAtStart(new URL(`functions/${name}/index.ts`, ROOT));
    assert(modules.has(new URL("shared/connection/serve_sockets.ts", ROOT).href), "The modules were not found");
    assertEquals([...modules].filter((specifier) => !specifier.startsWith(ROOT.href)), []);
    const files = await Promise.all([...modules].map((specifier) => Deno.stat(new URL(specifier))));
    const kib = files.reduce((sum, { size }) => sum + size, 0) / 1024;
    assert(kib <= mostKib, `${kib.toFixed(0)} KiB in ${modules.size} modules: at most ${mostKib}`);
  });
}
