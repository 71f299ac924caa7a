import { rpcStore } from "./rpc_store.ts";
import type { Store } from "./store.ts";
import { supabaseRpc, type SupabaseRpcOptions } from "./supabase_rpc.ts";

/**
 * The store in the project's own database, over its REST API. It needs `supabase/migrations`. Its methods reject as the
 * calls of `supabaseRpc` do.
 */
export function supabaseStore(options: SupabaseRpcOptions): Store {
  return rpcStore(supabaseRpc(options));
}
