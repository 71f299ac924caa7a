import { fileURLToPath } from "node:url";
import { contentType } from "@std/media-types/content-type";

/** A file of the page, ready to send. */
export interface SiteFile {
  body: Uint8Array<ArrayBuffer>;
  contentType: string;
}

/** The files of the page at `/`. */
export interface Site {
  /** The file for a path such as `/` or `/main.js`, or undefined. A script is bundled from the `.ts` of its name. */
  read(path: string): Promise<SiteFile | undefined>;
}

const NAME = /^\/([a-z0-9_-]+\.(?:html|js|css|svg|png|ico|json))$/;

/**
 * Serves the files of `directory`, as they are at that moment. `/NAME.js` is the file itself, or `NAME.ts` with all its
 * imports as one script; `config` is the `deno.json` that maps them.
 */
export function serveSite(directory: URL, config: URL): Site {
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
    const source = new URL(name.replace(/\.js$/, ".ts"), directory);
    return await readIfThere(source) && await bundle(source, config);
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

async function readIfThere(file: URL): Promise<Uint8Array<ArrayBuffer> | undefined> {
  try {
    return await Deno.readFile(file);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
