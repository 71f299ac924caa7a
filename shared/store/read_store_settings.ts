/** Which store the environment asks for. */
export type StoreSettings = { readonly backend: "memory" } | {
  readonly backend: "supabase";
  readonly url: string;
  readonly secretKey: string;
};

/**
 * Reads which store to use: the project's database where the platform gives its URL and a secret key
 * (`SUPABASE_SECRET_KEYS`, JSON, or `SUPABASE_SERVICE_ROLE_KEY`), memory where it does not or `CHAT_STORE=memory`.
 * Throws a `RangeError` that names the variable, never its value.
 */
export function readStoreSettings(env: Readonly<Record<string, string>>): StoreSettings {
  const choice = env.CHAT_STORE ?? "";
  if (choice !== "" && choice !== "memory" && choice !== "supabase") {
    throw new RangeError(`Cannot start as CHAT_STORE must be memory or supabase: current value is "${choice}"`);
  }
  const url = env.SUPABASE_URL;
  const secretKey = readSecretKey(env);
  if (choice === "memory") return { backend: "memory" };
  if (url && secretKey) return { backend: "supabase", url, secretKey };
  if (choice === "supabase") {
    throw new RangeError("Cannot start as CHAT_STORE=supabase needs SUPABASE_URL and SUPABASE_SECRET_KEYS");
  }
  return { backend: "memory" };
}

function readSecretKey(env: Readonly<Record<string, string>>): string | undefined {
  const raw = env.SUPABASE_SECRET_KEYS;
  if (!raw) return env.SUPABASE_SERVICE_ROLE_KEY;
  try {
    const keys = JSON.parse(raw) as Record<string, string>;
    return keys.default ?? Object.values(keys)[0] ?? env.SUPABASE_SERVICE_ROLE_KEY;
  } catch {
    // The engine's own message would quote the key.
    throw new RangeError('Cannot start as SUPABASE_SECRET_KEYS must be JSON such as {"default": "sb_secret_…"}');
  }
}
