import { fileURLToPath } from "node:url";
import { contentType } from "@std/media-types/content-type";

/** A file of the page, ready to send. */
export interface SiteFile {
  body: Uint8Array<ArrayBuffer>;
  contentType: string;
}

/** The files of the page at `/`. */
export interface Site {
  /** The file for a path such as `/` or `/main.js`, or undefined. A script is bundled from the `.ts` or `.tsx` of its name. */
  read(path: string): Promise<SiteFile | undefined>;
}

interface Bundle {
  readonly madeFrom: number;
  readonly body: Promise<Uint8Array<ArrayBuffer>>;
}

const NAME = /^\/([a-z0-9_-]+\.(?:html|js|css|svg|png|ico))$/;

/** Where what the page is made of lies, beside its own folder. */
const SOURCES = new URL("../../shared/", import.meta.url);

/**
 * Serves the files of `directory`, as they are at that moment. `/NAME.js` is the file itself, or `NAME.ts` or `NAME.tsx`
 * with all its imports as one script, made anew when a source has changed; `config` is the `deno.json` that maps them.
 */
export function serveSite(directory: URL, config: URL): Site {
  const bundles = new Map<string, Bundle>();
  return {
    async read(path) {
      const name = NAME.exec(path === "/" ? "/index.html" : path)?.[1];
      if (name === undefined) return undefined;
      const body = await readIfThere(new URL(name, directory)) ?? await bundleIfThere(name);
      return body && { body, contentType: contentType(name.slice(name.lastIndexOf("."))) };
    },
  };

  async function bundleIfThere(name: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
    if (!name.endsWith(".js")) return undefined;
    for (const suffix of [".ts", ".tsx"]) {
      const source = new URL(name.replace(/\.js$/, suffix), directory);
      if (await changedAt(source) !== undefined) return await bundleOf(source);
    }
  }

  async function bundleOf(source: URL): Promise<Uint8Array<ArrayBuffer>> {
    const madeFrom = Math.max(await newestIn(directory), await newestIn(SOURCES));
    const known = bundles.get(source.href);
    if (known?.madeFrom === madeFrom) return known.body;
    const body = bundle(source, config);
    bundles.set(source.href, { madeFrom, body });
    // The next one who asks is told anew why it fails.
    body.catch(() => bundles.delete(source.href));
    return body;
  }
}

async function bundle(source: URL, config: URL): Promise<Uint8Array<ArrayBuffer>> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["bundle", "--quiet", "--no-lock", "--minify", "--platform=browser"],
      ...[`--config=${fileURLToPath(config)}`, fileURLToPath(source)],
    ],
    stdin: "null",
  }).output();
  if (success) return stdout;
  throw new Error(`Cannot bundle ${fileURLToPath(source)}: ${new TextDecoder().decode(stderr)}`);
}

/** When the file of a folder, or of one below, that changed last did so; in ms since 1970. */
async function newestIn(folder: URL): Promise<number> {
  let newest = 0;
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const path = new URL(isDirectory ? `${name}/` : name, folder);
    newest = Math.max(newest, isDirectory ? await newestIn(path) : await changedAt(path) ?? 0);
  }
  return newest;
}

async function changedAt(file: URL): Promise<number | undefined> {
  return await unlessMissing(async () => (await Deno.stat(file)).mtime?.getTime() ?? 0);
}

async function readIfThere(file: URL): Promise<Uint8Array<ArrayBuffer> | undefined> {
  return await unlessMissing(() => Deno.readFile(file));
}

async function unlessMissing<T>(read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
