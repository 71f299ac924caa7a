import type { Patch } from "./scenario.ts";

const ROOT = new URL("../../", import.meta.url);
const DEPLOYED = ["functions/chat", "shared"];

/** A folder of functions with `chat` alone. */
export interface Deployment extends AsyncDisposable {
  readonly functionsDir: URL;
}

/**
 * Gives `chat` as it is, or a copy of it with patches.
 *
 * @throws {Error} for a patch whose text is not there exactly once
 */
export async function deployChat(patches: readonly Patch[] = []): Promise<Deployment> {
  const folder = await Deno.makeTempDir({ prefix: "deployed-" });
  const root = new URL(`file://${folder}/`);
  const remove = () => Deno.remove(folder, { recursive: true });
  try {
    if (patches.length === 0) await linkChat(root);
    else await copyPatched(root, patches);
  } catch (error) {
    await remove();
    throw error;
  }
  return { functionsDir: new URL("functions/", root), [Symbol.asyncDispose]: remove };
}

async function linkChat(root: URL): Promise<void> {
  await Deno.mkdir(new URL("functions/chat", root), { recursive: true });
  const entrypoint = new URL("functions/chat/index.ts", ROOT).href;
  await Deno.writeTextFile(new URL("functions/chat/index.ts", root), `import ${JSON.stringify(entrypoint)};\n`);
}

async function copyPatched(root: URL, patches: readonly Patch[]): Promise<void> {
  for (const folder of DEPLOYED) await copyFolder(new URL(`${folder}/`, ROOT), new URL(`${folder}/`, root));
  for (const { file, find, replace } of patches) {
    const path = new URL(file, root);
    const parts = (await Deno.readTextFile(path)).split(find);
    if (parts.length !== 2) throw new Error(`Cannot patch ${file} as it holds ${parts.length - 1} times: ${find}`);
    await Deno.writeTextFile(path, parts.join(replace));
  }
}

async function copyFolder(from: URL, to: URL): Promise<void> {
  await Deno.mkdir(to, { recursive: true });
  for await (const { name, isDirectory } of Deno.readDir(from)) {
    if (isDirectory) await copyFolder(new URL(`${name}/`, from), new URL(`${name}/`, to));
    else await Deno.copyFile(new URL(name, from), new URL(name, to));
  }
}
