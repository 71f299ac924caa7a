import { assertEquals, assertMatch } from "@std/assert";
import { isDeployed, isModule, listFiles } from "./list_files.ts";

const ROOT = new URL("../../", import.meta.url);
const files = listFiles(ROOT);
const { imports } = JSON.parse(readText("deno.json")) as { imports: Record<string, string> };
const aliases = Object.keys(imports);

/** What no file says: this one alone is not searched, as it gives an example of each. */
const OUT_OF_PLACE: { name: string; pattern: RegExp; example: string; where: (path: string) => boolean }[] = [
  {
    name: "a package registry's host",
    pattern: /\b(registry\.(npmjs|yarnpkg)|npm\.jsr|jsr\.io)\b|"tarball":/,
    example: `"tarball": "https://registry.npmjs.org/zod/-/zod-4.6.7.tgz"`,
    where: isText,
  },
  {
    name: "a path of one machine",
    pattern: /(?<![\w.])\/(root|work|home\/\w+|Users\/\w+)\//,
    example: "executablePath: /home/me/chromium",
    where: isText,
  },
  {
    name: "work left for later",
    pattern: /\b(TODO|FIXME|XXX|for now)\b/,
    example: "// TODO: handle the rest",
    where: isModule,
  },
];

for (const { name, pattern, example, where } of OUT_OF_PLACE) {
  Deno.test(`no file names ${name}`, () => {
    const searched = files.filter((path) => where(path) && path !== "tests/architecture/sources_test.ts");
    assertEquals(findLines(searched, pattern), []);
    assertMatch(example, pattern);
  });
}

Deno.test("only the entrypoints of functions read the environment", () => {
  const others = files.filter((path) => isDeployed(path) && !/^functions\/[^/]+\/index\.ts$/.test(path));
  assertEquals(findCode(others, /\bDeno\.env\b|\bprocess\.env\b/), []);
});

Deno.test("only the log writes to the console", () => {
  const others = files.filter((path) => isDeployed(path) && path !== "shared/telemetry/log.ts");
  assertEquals(findCode(others, /\bconsole\b/), []);
});

Deno.test("what is deployed imports by a relative path with its extension, or by a name that deno.json maps", () => {
  assertEquals(specifiersOf(files.filter(isDeployed)).filter(({ name }) => !isResolvable(name)).map(describe), []);
});

Deno.test("what is deployed names every dynamic import by a literal, so that tools which copy files find it", () => {
  assertEquals(findCode(files.filter(isDeployed), /\bimport\(\s*[^"\s]/), []);
});

// The CLI replaces the first alias that an import begins with, in no certain order.
Deno.test("no alias is the beginning of another name that what is deployed imports", () => {
  const names = specifiersOf(files.filter(isDeployed)).filter(({ name }) => !name.startsWith("."));
  const shadowed = names.filter(({ name }) => aliases.some((alias) => alias !== name && name.startsWith(alias)));
  assertEquals(shadowed.map(describe), []);
});

interface Specifier {
  readonly file: string;
  readonly name: string;
}

function specifiersOf(paths: readonly string[]): Specifier[] {
  const pattern = /(?:^|[;\s}])(?:import|from)\s*\(?\s*"([^"\n]+)"/g;
  return paths.flatMap((file) => [...readText(file).matchAll(pattern)].map(([, name]) => ({ file, name: name ?? "" })));
}

function describe({ file, name }: Specifier): string {
  return `${file} imports "${name}"`;
}

function isResolvable(name: string): boolean {
  if (name.startsWith("node:")) return true;
  return name.startsWith(".") ? /\.tsx?$/.test(name) : aliases.includes(name);
}

function findLines(paths: readonly string[], pattern: RegExp): string[] {
  return paths.flatMap((path) =>
    readText(path).split("\n").flatMap((line, i) => pattern.test(line) ? [`${path}:${i + 1}: ${line.trim()}`] : [])
  );
}

/** As `findLines`, but lines of comment may say what they like. */
function findCode(paths: readonly string[], pattern: RegExp): string[] {
  return findLines(paths, new RegExp(`^(?!\\s*(//|/?\\*)).*(?:${pattern.source})`));
}

function isText(path: string): boolean {
  return !/\.(png|jpg|webp|ico|woff2|pcm|wav)$/.test(path);
}

function readText(path: string): string {
  return Deno.readTextFileSync(new URL(path, ROOT));
}
