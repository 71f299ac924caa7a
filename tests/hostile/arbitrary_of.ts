import fc from "fast-check";
import type * as z from "zod/mini";

/** A schema's definition, as far as frames use it: zod shows no more of it by type. */
interface Definition {
  readonly type: string;
  readonly shape?: Readonly<Record<string, z.ZodMiniType>>;
  readonly innerType?: z.ZodMiniType;
  readonly options?: readonly z.ZodMiniType[];
  readonly values?: readonly (string | number | boolean | null)[];
  readonly entries?: Readonly<Record<string, string | number>>;
  readonly element?: z.ZodMiniType;
  readonly format?: string;
  readonly checks?: readonly { readonly _zod: { readonly def: Check } }[];
  readonly keyType?: z.ZodMiniType;
  readonly valueType?: z.ZodMiniType;
}

interface Check {
  readonly check: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly length?: number;
  readonly value?: number;
  readonly pattern?: RegExp;
}

/** Values that a schema takes. Text that must match a pattern is drawn from `names` where these match. */
export function arbitraryOf(schema: z.ZodMiniType, names: readonly string[]): fc.Arbitrary<unknown> {
  const of = (inner: z.ZodMiniType) => arbitraryOf(inner, names);
  const def = schema._zod.def as unknown as Definition;
  switch (def.type) {
    case "object":
      return objectOf(def.shape!, of);
    case "union":
      return fc.oneof(...def.options!.map(of));
    case "optional":
      return of(def.innerType!);
    case "nullable":
      return fc.option(of(def.innerType!));
    case "literal":
      return fc.constantFrom(...def.values!);
    case "enum":
      return fc.constantFrom(...Object.values(def.entries!));
    case "array":
      return listOf(def, of(def.element!));
    case "record":
      return fc.dictionary(of(def.keyType!) as fc.Arbitrary<string>, of(def.valueType!), { maxKeys: 5 });
    case "boolean":
      return fc.boolean();
    case "number":
      return numberOf(def);
    case "string":
      return textOf(def, names);
    case "custom": // Of frames only `Json` is.
    case "unknown":
      return fc.jsonValue({ maxDepth: 3 });
    default:
      throw new Error(`Cannot make values of a schema of type "${def.type}"`);
  }
}

function objectOf(
  shape: Readonly<Record<string, z.ZodMiniType>>,
  of: (schema: z.ZodMiniType) => fc.Arbitrary<unknown>,
): fc.Arbitrary<unknown> {
  const members = Object.entries(shape);
  const required = members.filter(([, schema]) => schema._zod.def.type !== "optional").map(([name]) => name);
  return fc.record(Object.fromEntries(members.map(([name, schema]) => [name, of(schema)])), { requiredKeys: required });
}

function listOf({ checks = [] }: Definition, element: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  const rules = checks.map(({ _zod }) => _zod.def);
  const least = Math.max(0, ...rules.map(({ minimum = 0, length = 0 }) => Math.max(minimum, length)));
  const most = Math.min(3, ...rules.map(({ maximum = 3, length = 3 }) => Math.min(maximum, length)));
  return fc.array(element, { minLength: least, maxLength: Math.max(least, most) });
}

function numberOf({ format, checks = [] }: Definition): fc.Arbitrary<number> {
  const rules = checks.map(({ _zod }) => _zod.def);
  const bounds = (check: string) => rules.flatMap((rule) => rule.check === check ? rule.value ?? [] : []);
  const min = Math.max(0, ...bounds("greater_than"));
  const max = Math.min(2 ** 31 - 1, ...bounds("less_than"));
  if (format === undefined && max <= 10) return fc.double({ min, max, noNaN: true });
  return fc.oneof(
    fc.integer({ min: Math.min(Math.max(min, 1), max), max: Math.min(200, max) }),
    fc.integer({ min, max }),
  );
}

function textOf({ format, checks = [] }: Definition, names: readonly string[]): fc.Arbitrary<string> {
  const rules = checks.map(({ _zod }) => _zod.def);
  const patterns = rules.flatMap(({ pattern }) => pattern ?? []);
  const fitting = names.filter((name) => patterns.every((pattern) => pattern.test(name)));
  if (format === "uuid" || patterns.length > 0) return fc.constantFrom(...fitting);
  const minLength = Math.max(0, ...rules.map(({ minimum = 0 }) => minimum));
  const maxLength = Math.min(300, ...rules.map(({ maximum = 300 }) => maximum));
  return fc.string({ minLength, maxLength, unit: "binary" });
}
