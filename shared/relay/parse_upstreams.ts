import { defineUpstream, type Upstream, type UpstreamDefinition } from "./upstream.ts";

type Environment = Readonly<Record<string, string | undefined>>;

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
    const { secret: variable, ...definition } = readDefinition(name, value);
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

/** The members of one definition, each of its type. Written out, as zod would be the one package that a start needs. */
function readDefinition(name: string, value: unknown): Omit<UpstreamDefinition, "name"> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    fail(`must be valid: ${name} must be an object of url, subprotocols, secret and query`);
  }
  const { url, subprotocols, secret, query, ...others } = value as Readonly<Record<string, unknown>>;
  if (typeof url !== "string") fail(`must be valid: ${name}.url must be a URL`);
  if (secret !== undefined && !(typeof secret === "string" && /^\w+$/.test(secret))) {
    fail(`must be valid: ${name}.secret must be the name of a variable`);
  }
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) fail(`must be valid: ${name} has an unknown field "${unknown}"`);
  return {
    url,
    subprotocols: readList(`${name}.subprotocols`, subprotocols, "subprotocol"),
    secret,
    query: readList(`${name}.query`, query, "parameter"),
  };
}

function readList(path: string, value: unknown, what: string): string[] | undefined {
  if (value === undefined) return undefined;
  if (!Array.isArray(value)) fail(`must be valid: ${path} must be a list of ${what}s`);
  const wrong = value.findIndex((entry) => typeof entry !== "string");
  if (wrong >= 0) fail(`must be valid: ${path}.${wrong} must be a ${what}`);
  return value;
}

function fail(rule: string): never {
  throw new RangeError(`Cannot start as RELAY_UPSTREAMS ${rule}`);
}
