/** Which store the environment asks for. */
export type StoreSettings = { readonly backend: "memory" } | {
  readonly backend: "supabase";
  readonly url: string;
  readonly secretKey: string;
};

/**
 * Which store to use: the project's database where there are its URL (`SUPABASE_URL`) and a secret key, memory where not
 * or where `CHAT_STORE=memory`. Throws a `RangeError` that names the variable.
 */
export function readStoreSettings(
  env: Readonly<Record<string, string | undefined>>,
  secretKey: string | undefined,
): StoreSettings {
  const choice = env.CHAT_STORE ?? "";
  if (choice !== "" && choice !== "memory" && choice !== "supabase") {
    throw new RangeError(`Cannot start as CHAT_STORE must be memory or supabase: current value is "${choice}"`);
  }
  const url = env.SUPABASE_URL;
  if (choice !== "memory" && url && secretKey) return { backend: "supabase", url, secretKey };
  if (choice === "supabase") {
    throw new RangeError("Cannot start as CHAT_STORE=supabase needs SUPABASE_URL and SUPABASE_SECRET_KEYS");
  }
  return { backend: "memory" };
}
