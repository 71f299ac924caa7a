/**
 * The project's secret keys, the preferred one first: the values of `SUPABASE_SECRET_KEYS` (JSON, set by the platform),
 * then `SUPABASE_SERVICE_ROLE_KEY`. Whoever has one is the server. Throws a `RangeError` that names the variable and
 * never quotes a key.
 */
export function readSecretKeys(env: Readonly<Record<string, string | undefined>>): readonly string[] {
  const { default: preferred, ...others } = readNamedKeys(env.SUPABASE_SECRET_KEYS);
  const keys = [preferred, ...Object.values(others), env.SUPABASE_SERVICE_ROLE_KEY];
  return [...new Set(keys.filter((key): key is string => key !== undefined && key !== ""))];
}

function readNamedKeys(raw: string | undefined): Readonly<Record<string, string>> {
  if (raw === undefined || raw.trim() === "") return {};
  let value: unknown;
  try {
    value = JSON.parse(raw);
  } catch {
    value = undefined; // The engine's own message would quote the keys.
  }
  if (typeof value === "object" && value !== null && Object.values(value).every((key) => typeof key === "string")) {
    return value as Record<string, string>;
  }
  throw new RangeError('Cannot start as SUPABASE_SECRET_KEYS must be JSON such as {"default": "sb_secret_…"}');
}
