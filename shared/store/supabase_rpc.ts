import type { RpcCall } from "./rpc_store.ts";
import { StoreUnavailable } from "./store.ts";

/** Where the project is, and how to reach it. */
export interface SupabaseRpcOptions {
  /** The project's URL: `https://REF.supabase.co`. */
  readonly url: string;
  /** The secret key, or the service role's. It leaves this process only in requests to `url`. */
  readonly secretKey: string;
  /** How long a call may take before the database counts as unavailable, in milliseconds; 5,000 by default. */
  readonly timeoutMs?: number;
  readonly fetch?: typeof fetch;
}

/**
 * Calls SQL functions in the project's own database, over its REST API, as supabase-js's `rpc` does: made here, since that
 * client costs an isolate as much CPU to load as two hundred calls.
 *
 * A call rejects with `StoreUnavailable` for what may pass (network, time, 5xx, a lock, a database that restarts) and
 * with another error for what will not (a wrong key, migrations that are missing).
 */
export function supabaseRpc(
  { url, secretKey, timeoutMs = 5_000, fetch = globalThis.fetch }: SupabaseRpcOptions,
): RpcCall {
  if (!(timeoutMs > 0)) {
    throw new RangeError(`Cannot open the store as 'timeoutMs' must be > 0: current value is ${timeoutMs}`);
  }
  const functions = `${url.replace(/\/+$/, "")}/rest/v1/rpc/`;
  const headers = headersOf(secretKey);
  return async (name, args) => {
    // Not to be led elsewhere, as the key would go along.
    const request: RequestInit = { method: "POST", headers, body: JSON.stringify(args), redirect: "error" };
    let response: Response;
    let text: string;
    try {
      response = await fetch(functions + name, { ...request, signal: AbortSignal.timeout(timeoutMs) });
      text = await response.text();
      if (response.ok) return text === "" ? null : JSON.parse(text);
    } catch (error) {
      // Also an answer that breaks off, or that is a page of something in between.
      throw new StoreUnavailable(`Cannot call ${name}: ${error instanceof Error ? error.message : error}`);
    }
    const { code, message } = readError(text);
    const reason = `Cannot call ${name}: ${message} (status ${response.status}, code ${code || "none"})`;
    throw mayPass(response.status, code) ? new StoreUnavailable(reason) : new Error(reason);
  };
}

/** A secret key of the new kind is no token: a gateway refuses it as Bearer. */
function headersOf(secretKey: string): Record<string, string> {
  const isToken = !secretKey.startsWith("sb_secret_");
  return {
    "apikey": secretKey,
    ...(isToken && { "authorization": `Bearer ${secretKey}` }),
    "content-type": "application/json",
  };
}

/** What PostgREST says went wrong; whatever else answered is not quoted. */
function readError(text: string): { code: string; message: string } {
  try {
    const { code, message } = JSON.parse(text) as { code?: unknown; message?: unknown };
    if (typeof message === "string") return { code: typeof code === "string" ? code : "", message };
  } catch {
    // Something in between has answered with a page.
  }
  return { code: "", message: "the answer is not the database's" };
}

/** SQLSTATE classes of a database that is busy, ends or cannot be reached, and PostgREST's codes for the last. */
const PASSING_CODES = /^(08|40|53|55|57|58|PGRST00)/;

/** Whether a call that was answered so may succeed later. */
export function mayPass(status: number, code: string): boolean {
  return status === 408 || status === 429 || status >= 500 || PASSING_CODES.test(code);
}
