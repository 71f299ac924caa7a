import * as z from "zod/mini";
import { defineUpstream, type Upstream } from "./upstream.ts";

type Environment = Readonly<Record<string, string | undefined>>;

const list = (what: string) => z.array(z.string(`must be a ${what}`), `must be a list of ${what}s`);

/** One upstream of `RELAY_UPSTREAMS`. */
const Definition = z.strictObject({
  url: z.string("must be a URL"),
  subprotocols: z.optional(list("subprotocol")),
  /** The NAME of the variable that holds it. */
  secret: z.optional(
    z.string("must be the name of a variable").check(z.regex(/^\w+$/, "must be the name of a variable")),
  ),
  query: z.optional(list("parameter")),
}, "must be an object of url, subprotocols, secret and query");

const NAME = /^[A-Za-z0-9_-]{1,64}$/;
/** Names with an upstream of their own, which has its own settings. */
const BUILT_IN: ReadonlySet<string> = new Set(["openai", "supabase"]);

/**
 * Reads `RELAY_UPSTREAMS`: `{NAME: {url, subprotocols?, secret?, query?}}`. `secret` is the name of a variable, whose value is
 * put in place of `{secret}` in the subprotocols and in the values of the URL's query.
 * @throws {RangeError} that names the upstream and the field, and quotes no value, as it may hold a secret.
 */
export function parseUpstreams(text: string, env: Environment): Upstream[] {
  return Object.entries(parseObject(text)).map(([name, value]) => {
    if (!NAME.test(name)) fail("must have names of 1 to 64 letters, digits, '_' or '-'");
    if (BUILT_IN.has(name)) fail(`must not hold "${name}", which is built in and has settings of its own`);
    const parsed = z.safeParse(Definition, value);
    if (!parsed.success) {
      const [issue] = parsed.error.issues;
      fail(`must be valid: ${[name, ...issue?.path ?? []].join(".")} ${describe(issue)}`);
    }
    const { secret: variable, ...definition } = parsed.data;
    const secret = variable === undefined ? undefined : env[variable]?.trim();
    if (variable !== undefined && !secret) fail(`must be valid: ${name}.secret names ${variable}, which is not set`);
    try {
      return defineUpstream({ ...definition, name, secret });
    } catch (error) {
      return fail(`must be valid: ${name}: ${(error as Error).message}`);
    }
  });
}

function parseObject(text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The engine's message quotes the text.
    fail("must be JSON");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    fail("must be a JSON object: {NAME: {url, …}}");
  }
  return value as Record<string, unknown>;
}

function describe(issue: z.core.$ZodIssue | undefined): string {
  return issue?.code === "unrecognized_keys"
    ? `has an unknown field "${issue.keys[0]}"`
    : issue?.message ?? "is not valid";
}

function fail(rule: string): never {
  throw new RangeError(`Cannot start as RELAY_UPSTREAMS ${rule}`);
}
