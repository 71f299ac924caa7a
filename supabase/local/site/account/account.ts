import { createClient, type Session, type SupabaseClient } from "@supabase/supabase-js";

/** Who is signed in. */
export interface User {
  readonly id: string;
  readonly name: string;
}

/** What the sign-in form holds. `name` is there for a new account only. */
export interface Credentials {
  readonly name?: string;
  readonly email: string;
  readonly password: string;
}

/** The account of whoever uses the page, kept by supabase-js over reloads. */
export class Account {
  /** What the user may read of the database. */
  readonly supabase: SupabaseClient;

  /** @param url of the Supabase project */
  constructor(url: string, publishableKey: string) {
    this.supabase = createClient(url, publishableKey);
  }

  /** Tells who is signed in, now and at each change of it; `undefined` for nobody. Gives the function that ends this. */
  watch(listener: (user: User | undefined) => void): () => void {
    let known: string | undefined | null = null;
    const { data } = this.supabase.auth.onAuthStateChange((_event, session) => {
      // supabase-js repeats itself: at each new token, and when the tab comes back to the front.
      if (known === session?.user.id) return;
      known = session?.user.id;
      listener(session ? userOf(session) : undefined);
    });
    return () => data.subscription.unsubscribe();
  }

  /** Signs in, and up where there is a name. Gives the reason, in words, where it fails. */
  async enter({ name, email, password }: Credentials): Promise<string | undefined> {
    const { error } = name === undefined
      ? await this.supabase.auth.signInWithPassword({ email, password })
      : await this.supabase.auth.signUp({ email, password, options: { data: { name } } });
    return error?.message;
  }

  async leave(): Promise<void> {
    await this.supabase.auth.signOut({ scope: "local" });
  }

  /** A token that is valid now, or a new one if `renew` says that the last was refused. Throws where there is none. */
  async token(renew: boolean): Promise<string> {
    const { auth } = this.supabase;
    const { data, error } = renew ? await auth.refreshSession() : await auth.getSession();
    if (error) throw error;
    if (!data.session) throw new Error("You are signed out");
    return data.session.access_token;
  }
}

function userOf({ user }: Session): User {
  const { name } = user.user_metadata;
  return { id: user.id, name: typeof name === "string" && name !== "" ? name : user.email ?? user.id };
}
