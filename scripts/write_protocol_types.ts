import { isSchema, type Schema, typeOfSchema } from "./type_of_schema.ts";

/** A module of `shared/protocol/`: its source, and what it exports. */
export interface ProtocolModule {
  readonly name: string;
  readonly source: string;
  readonly exports: Readonly<Record<string, unknown>>;
}

/** What JSON holds: the one type that schemas do not spell out. */
const JSON_TYPE = `/** What JSON holds. */
export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };
`;

/** A comment that belongs to what follows it. */
const DOC = String.raw`(?:\/\*\*(?:[^*]|\*(?!\/))*\*\/\s*)?`;

/**
 * Writes the modules of the protocol that are schemas as types alone, so that who uses the client needs no zod: the same names,
 * comments and types, with nothing left at run time. Gives their sources by name.
 */
export function writeProtocolTypes(modules: readonly ProtocolModule[]): Map<string, string> {
  const names = new Map<Schema, string>();
  const homes = new Map<string, string>();
  for (const { name: module, exports } of modules) {
    for (const [name, value] of Object.entries(exports)) {
      // A word that is used for another, such as a mere string, is better read as what it is.
      if (!isSchema(value) || !isNamed(value)) continue;
      names.set(value, name);
      homes.set(name, module);
    }
  }
  return new Map(modules.map((module) => [module.name, writeModule(module, names, homes)]));
}

function isNamed({ _zod: { def } }: Schema): boolean {
  return def.type === "object" || def.type === "union" || def.type === "custom";
}

function writeModule(
  { name: module, source, exports }: ProtocolModule,
  names: ReadonlyMap<Schema, string>,
  homes: ReadonlyMap<string, string>,
): string {
  const types = Object.entries(exports).map(([name, value]) => {
    const [, doc = "", body = ""] =
      new RegExp(`(${DOC})export const ${name}\\b([\\s\\S]*?\\n)(?=\\S|$)`).exec(source) ?? [];
    if (!isSchema(value)) return `${doc}export const ${name} = ${JSON.stringify(value)};\n`;
    if (names.get(value) !== name) return "";
    if (value._zod.def.type === "custom") return JSON_TYPE;
    return `${doc}export type ${name} = ${typeOfSchema(value, names, docsOf(body))};\n`;
  });
  const others = [...source.matchAll(new RegExp(`${DOC}export type [^;]*;`, "g"))]
    .map(([text]) => text).filter((text) => !text.includes("z.infer"));
  const text = [...types, ...others].filter(Boolean).join("\n");
  const foreign = [...homes].filter(([name, home]) => home !== module && new RegExp(`\\b${name}\\b`).test(text));
  const imports = foreign.map(([name, home]) => `import type { ${name} } from "./${home}";\n`);
  return `${imports.join("")}\n${text}\n`;
}

/** The comments of members in the source of a schema, by the member's name. */
function docsOf(body: string): Map<string, string> {
  return new Map([...body.matchAll(/(\/\*\*(?:[^*]|\*(?!\/))*\*\/\s*)(\w+):/g)].map(([, doc, name]) => [name!, doc!]));
}
