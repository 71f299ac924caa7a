import type { LocalSupabase } from "../../supabase/local/start_local.ts";
import { testClient } from "../support/sign_up.ts";

/** Makes the user of this address whom pages sign in, with the password that they write. */
export async function signUpAs(local: LocalSupabase, email: string): Promise<{ id: string }> {
  const { data, error } = await testClient(local).auth.signUp({ email, password: "correct horse" });
  if (error) throw error;
  return { id: data.user!.id };
}
