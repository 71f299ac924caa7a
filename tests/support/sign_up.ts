import { createClient, type SupabaseClient } from "@supabase/supabase-js";
import type { LocalSupabase } from "../../supabase/local/start_local.ts";

/** A user who is signed in. */
export interface SignedUp {
  userId: string;
  email: string;
  accessToken: string;
  /** A client that carries the user's session. It keeps nothing and has no timer. */
  supabase: SupabaseClient;
}

/** A client that keeps nothing and has no timer, so that a test leaves nothing behind. */
export function testClient(local: LocalSupabase, key = local.publishableKey): SupabaseClient {
  return createClient(local.url, key, {
    auth: { persistSession: false, autoRefreshToken: false, detectSessionInUrl: false },
  });
}

/** Signs a new user up, by real supabase-js. `name` becomes the `name` of the user's metadata. */
export async function signUp(local: LocalSupabase, name = "someone"): Promise<SignedUp> {
  const supabase = testClient(local);
  const email = `${name}-${crypto.randomUUID()}@example.com`;
  const { data, error } = await supabase.auth.signUp({ email, password: "correct horse", options: { data: { name } } });
  if (error) throw error;
  return { userId: data.user!.id, email, accessToken: data.session!.access_token, supabase };
}
