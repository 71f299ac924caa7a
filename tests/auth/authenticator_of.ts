import { type AuthSettings, createAuthenticator } from "../../shared/auth/create_authenticator.ts";
import { API_KEY, type AuthStandIn } from "./auth_stand_in.ts";

/** When the clock of each begins, in ms. */
export const START = Date.UTC(2026, 10, 20);

/** An authenticator of the stand-in's project on a clock that the test moves. */
export function authenticatorOf(auth: AuthStandIn, settings: Partial<AuthSettings> = {}) {
  const clock = { now: START };
  const authenticator = createAuthenticator({
    supabaseUrl: auth.url,
    apiKey: API_KEY,
    now: () => clock.now,
    ...settings,
  });
  return { ...authenticator, clock };
}
