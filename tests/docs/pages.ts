import { type Block, readBlocks } from "./read_blocks.ts";

const ROOT = new URL("../../", import.meta.url);

/** A page for the people who use the project. */
export interface Page {
  /** From the root: `docs/rooms.md`. */
  readonly path: string;
  readonly text: string;
  readonly blocks: readonly Block[];
}

/** A block, and where it stands. */
export interface PlacedBlock extends Block {
  readonly path: string;
  /** The first word behind its fence. */
  readonly language: string;
  /** `docs/rooms.md:12` */
  readonly where: string;
}

/** README and all pages of docs/. */
export const pages: readonly Page[] = ["README.md", ...listDocs()].map((path) => {
  const text = Deno.readTextFileSync(new URL(path, ROOT));
  return { path, text, blocks: readBlocks(text) };
});

/** The page of this path. */
export function page(path: string): Page {
  const found = pages.find((page) => page.path === path);
  if (found === undefined) throw new RangeError(`There is no page ${path}`);
  return found;
}

/** The blocks of all pages in one language. */
export function blocksIn(language: string): PlacedBlock[] {
  return allBlocks().filter((block) => block.language === language);
}

export function allBlocks(): PlacedBlock[] {
  return pages.flatMap(({ path, blocks }) =>
    blocks.map((block) => {
      return { ...block, path, language: block.info.split(" ")[0]!, where: `${path}:${block.line}` };
    })
  );
}

function listDocs(): string[] {
  return [...Deno.readDirSync(new URL("docs", ROOT))].map(({ name }) => `docs/${name}`)
    .filter((path) => path.endsWith(".md")).sort();
}
