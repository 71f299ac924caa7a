import type { SupabaseClient } from "@supabase/supabase-js";
import { type RpcCall, rpcStore } from "./rpc_store.ts";
import { type Store, StoreUnavailable } from "./store.ts";

/** Where the project is, and how to reach it. */
export interface SupabaseStoreOptions {
  /** The project's URL: `https://REF.supabase.co`. */
  readonly url: string;
  /** The secret key, or the service role's. It leaves this process only in requests to `url`. */
  readonly secretKey: string;
  /** How long a call may take before the database counts as unavailable, in milliseconds; 5,000 by default. */
  readonly timeoutMs?: number;
  readonly fetch?: typeof fetch;
  /** A client with the secret key that is there already; one is made at the first call otherwise. */
  readonly client?: SupabaseClient;
}

/**
 * The store in the project's own database, over its REST API. It needs `supabase/migrations`, and loads supabase-js at
 * the first call, as an isolate that never calls should not pay for its start.
 *
 * A method rejects with `StoreUnavailable` for what may pass (network, time, 5xx, a lock, a database that restarts) and
 * with another error for what will not (a wrong key, migrations that are missing).
 */
export function supabaseStore(options: SupabaseStoreOptions): Store {
  const { timeoutMs = 5_000 } = options;
  if (!(timeoutMs > 0)) {
    throw new RangeError(`Cannot open the store as 'timeoutMs' must be > 0: current value is ${timeoutMs}`);
  }
  let opening: Promise<SupabaseClient> | undefined;
  const call: RpcCall = async (name, args) => {
    const client = await (opening ??= options.client ? Promise.resolve(options.client) : openClient(options));
    const { data, error, status } = await client.rpc(name, args).abortSignal(AbortSignal.timeout(timeoutMs));
    if (error === null) return data;
    const reason = `Cannot call ${name}: ${error.message} (status ${status}, code ${error.code || "none"})`;
    throw mayPass(status, error.code) ? new StoreUnavailable(reason) : new Error(reason);
  };
  return rpcStore(call);
}

async function openClient({ url, secretKey, fetch }: SupabaseStoreOptions): Promise<SupabaseClient> {
  const { createClient } = await import("@supabase/supabase-js");
  return createClient(url, secretKey, {
    auth: { persistSession: false, autoRefreshToken: false, detectSessionInUrl: false },
    global: { ...(fetch && { fetch }) },
  });
}

/** SQLSTATE classes of a database that is busy, ends or cannot be reached, and PostgREST's codes for the last. */
const PASSING_CODES = /^(08|40|53|55|57|58|PGRST00)/;

/** Whether the same call may succeed later. Status 0 is supabase-js's for a request that got no response. */
export function mayPass(status: number, code: string): boolean {
  return status === 0 || status === 408 || status === 429 || status >= 500 || PASSING_CODES.test(code);
}
