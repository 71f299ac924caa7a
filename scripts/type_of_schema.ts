/** A schema of `zod/mini`, as far as its type is read here. */
interface Definition {
  readonly type: string;
  readonly shape?: Readonly<Record<string, Schema>>;
  readonly innerType?: Schema;
  readonly element?: Schema;
  readonly keyType?: Schema;
  readonly valueType?: Schema;
  readonly options?: readonly Schema[];
  readonly values?: readonly unknown[];
  readonly entries?: Readonly<Record<string, unknown>>;
}

/** What every schema has. */
export interface Schema {
  readonly _zod: { readonly def: Definition };
}

/** Whether a value is a schema. */
export function isSchema(value: unknown): value is Schema {
  return typeof value === "object" && value !== null && "_zod" in value;
}

/**
 * The TypeScript type of what a schema lets through, in words of TypeScript alone: what `z.infer` gives, without zod. A schema
 * that `names` knows is called by its name; `docs` are the comments of members, by their name.
 *
 * @throws {TypeError} for a kind of schema that it does not know.
 */
export function typeOfSchema(
  schema: Schema,
  names: ReadonlyMap<Schema, string>,
  docs: ReadonlyMap<string, string> = new Map(),
): string {
  const { type, shape, innerType, element, keyType, valueType, options, values, entries } = schema._zod.def;
  const inner = (schema: Schema) => names.get(schema) ?? typeOfSchema(schema, names, docs);
  switch (type) {
    case "string":
    case "number":
    case "boolean":
      return type;
    case "literal":
      return values!.map((value) => JSON.stringify(value)).join(" | ");
    case "enum":
      return Object.values(entries!).map((value) => JSON.stringify(value)).join(" | ");
    case "optional":
      return `${inner(innerType!)} | undefined`;
    case "nullable":
      return `${inner(innerType!)} | null`;
    case "array":
      return `Array<${inner(element!)}>`;
    case "record":
      return `Record<${inner(keyType!)}, ${inner(valueType!)}>`;
    case "union":
      return options!.map(inner).join(" | ");
    case "object":
      return `{\n${Object.entries(shape!).map(([name, member]) => memberOf(name, member)).join("")}}`;
  }
  throw new TypeError(`Cannot write a type as the kind of schema is not known: "${type}"`);

  function memberOf(name: string, member: Schema): string {
    const mark = member._zod.def.type === "optional" ? "?" : "";
    return `${docs.get(name) ?? ""}${name}${mark}: ${inner(member)};\n`;
  }
}
