type Json = Readonly<Record<string, unknown>>;

/** The parts of a session whose members are set one by one; any other value is replaced as a whole. */
const GROUPS: ReadonlySet<string> = new Set(["audio", "input", "output"]);

/** A session as it is configured after another `session.update`. */
export function mergeConfig(config: Json | null, update: Json): Json {
  const merged: Record<string, unknown> = { ...config };
  for (const [name, value] of Object.entries(update)) {
    const before = merged[name];
    merged[name] = GROUPS.has(name) && isObject(before) && isObject(value) ? mergeConfig(before, value) : value;
  }
  return merged;
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
