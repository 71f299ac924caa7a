/**
 * Calls one of the SQL functions of `supabase/migrations` by name with its named arguments, and gives what it returned.
 * Rejects where that was not possible.
 */
export type RpcCall = (name: string, args: Readonly<Record<string, unknown>>) => Promise<unknown>;
