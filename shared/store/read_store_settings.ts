/** Which store the environment asks for. */
export type StoreSettings = { readonly backend: "memory" } | {
  readonly backend: "supabase";
  readonly url: string;
  readonly secretKey: string;
};

/**
 * Which store to use: the project's database, reached by its URL (`SUPABASE_URL`) and a secret key, or memory where
 * `CHAT_STORE=memory`: what is kept there ends with the isolate, so it is never chosen for want of a key. Throws a
 * `RangeError` that names the variable.
 */
export function readStoreSettings(
  env: Readonly<Record<string, string | undefined>>,
  secretKey: string | undefined,
): StoreSettings {
  const choice = env.CHAT_STORE ?? "";
  if (choice !== "" && choice !== "memory" && choice !== "supabase") {
    throw new RangeError(`Cannot start as CHAT_STORE must be memory or supabase: current value is "${choice}"`);
  }
  if (choice === "memory") return { backend: "memory" };
  const url = env.SUPABASE_URL;
  if (url && secretKey) return { backend: "supabase", url, secretKey };
  throw new RangeError(
    "Cannot start as the chat's database needs SUPABASE_URL and SUPABASE_SECRET_KEYS " +
      "(CHAT_STORE=memory does without, and keeps messages in one isolate only)",
  );
}
