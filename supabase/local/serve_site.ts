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
 * Serves the files of `directory`. `/NAME.js` is the file itself, or `NAME.ts` with all its imports as one script,
 * which is made again when a file under `sources` has changed since.
 */
export function serveSite(directory: URL, { deno, config }: { deno: string; config: URL }): Site {
  async function bundle(source: URL): Promise<Uint8Array<ArrayBuffer>> {
    const { success, stdout, stderr } = await new Deno.Command(deno, {
      args: ["bundle", "--quiet", "--no-lock", "--platform=browser", `--config=${config.pathname}`, source.pathname],
    }).output();
    if (!success) throw new Error(`Cannot bundle ${source.pathname}: ${new TextDecoder().decode(stderr)}`);
    return stdout;
  }

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
    return await readIfThere(source) && await bundle(source);
  }
}

async function readIfThere(file: URL): Promise<Uint8Array<ArrayBuffer> | undefined> {
  try {
    return await Deno.readFile(file);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
