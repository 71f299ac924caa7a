/** A fenced block of code on a page. */
export interface Block {
  /** The language, and what stands behind it: `ts own`. */
  readonly info: string;
  readonly code: string;
  /** The line on which its code begins. */
  readonly line: number;
}

/** The blocks of a Markdown page in their order; those without a language are pictures, and left out. */
export function readBlocks(page: string): Block[] {
  return [...page.matchAll(/^```([^\n`]+)\n([\s\S]*?)^```$/gm)].map(({ 1: info = "", 2: code = "", index }) => ({
    info,
    code,
    line: page.slice(0, index).split("\n").length + 1,
  }));
}

/** Where the modules are that a page imports, by what it writes. */
const ROOT = new URL("../../", import.meta.url);
const MODULES: readonly (readonly [RegExp, string])[] = [
  [/"\.\/client\.js"/g, "shared/client/mod.ts"],
  [/"(?:\.\.?\/)+((?:shared|supabase|functions)\/[\w/.-]+)"/g, "$1"],
];

/**
 * The program that a page is: its blocks of TypeScript, in their order, as one module that finds what it imports. Blocks
 * marked `own` are modules of their own and left out.
 */
export function programOf(blocks: readonly Block[]): string {
  return withModules(blocks.filter(({ info }) => info === "ts" || info === "js").map(({ code }) => code).join("\n"));
}

/** Code of a page that finds what it imports, wherever it is put. */
export function withModules(code: string): string {
  return MODULES.reduce((text, [written, path]) => text.replace(written, `"${ROOT.href}${path}"`), code);
}
