/** What Lite knows of the database, as far as it is read here. */
export interface DatabaseShape {
  functions?: readonly { schema: string; name: string; arg_names: readonly string[]; arg_types: readonly string[] }[];
  columns: readonly { schema?: string; table: string; name: string; type: string }[];
}

const WRITES = new Set(["POST", "PATCH", "PUT"]);
const PATH = /^\/rest\/v1\/(rpc\/)?([^/]+)$/;

/**
 * Makes each value that is sent for a `json` or `jsonb` argument or column arrive as that value, as it does with
 * PostgREST: Lite would take a text for JSON itself, and refuse it or, worse, read it. Other requests come back as they are.
 */
export async function encodeJsonValues(request: Request, shape: DatabaseShape): Promise<Request> {
  const [, rpc, name] = PATH.exec(new URL(request.url).pathname) ?? [];
  const isJson = request.headers.get("content-type")?.includes("application/json");
  if (!WRITES.has(request.method) || name === undefined || !isJson) return request;
  const schema = request.headers.get("content-profile") ?? "public";
  const jsonNames = new Set(rpc ? jsonArguments(shape, schema, name) : jsonColumns(shape, schema, name));
  if (jsonNames.size === 0) return request;
  const body = parse(await request.clone().text());
  if (body === undefined) return request;
  // Lite hands an argument's text to the database as it is, but reads a column's text once as JSON before.
  const encode = rpc ? JSON.stringify : (value: unknown) => JSON.stringify(JSON.stringify(value));
  const rows = Array.isArray(body)
    ? body.map((row) => encodeRow(row, jsonNames, encode))
    : encodeRow(body, jsonNames, encode);
  return new Request(request, { body: JSON.stringify(rows) });
}

function jsonArguments({ functions = [] }: DatabaseShape, schema: string, name: string): string[] {
  const named = functions.filter((f) => f.schema === schema && f.name === name);
  return named.flatMap((f) => f.arg_names.filter((_, i) => isJsonType(f.arg_types[i])));
}

function jsonColumns({ columns }: DatabaseShape, schema: string, table: string): string[] {
  const own = columns.filter((c) => c.table === table && (c.schema ?? "public") === schema && isJsonType(c.type));
  return own.map((c) => c.name);
}

function isJsonType(type: string | undefined): boolean {
  return type === "json" || type === "jsonb";
}

function encodeRow(row: unknown, jsonNames: ReadonlySet<string>, encode: (value: unknown) => string): unknown {
  if (typeof row !== "object" || row === null) return row;
  const entries = Object.entries(row).map(([key, value]) => {
    return [key, jsonNames.has(key) && value !== null ? encode(value) : value];
  });
  return Object.fromEntries(entries);
}

/** The value of a JSON text; undefined for what is none, which Lite then refuses with its own error. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
