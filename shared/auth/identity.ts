import type { Claims } from "./decode_token.ts";

/** Longest name that is taken over from a token, in UTF-16 units. */
const MAX_NAME_LENGTH = 100;

/** Who is calling, as a verified token says. It is shared by all who present that token, and frozen. */
export interface Identity {
  /** The claim `sub`: the id of the row in `auth.users`. */
  readonly userId: string;
  /** The role in the database: `authenticated`, as a rule. */
  readonly role: string;
  /** The name that the user chose for others to see, if any. Never the e-mail address, as others see this. */
  readonly name?: string;
  /** When the token expires, in ms since the epoch. */
  readonly expiresAt: number;
}

/** The identity in claims that `checkClaims` has passed. */
export function identityOf(claims: Claims): Identity {
  const name = displayName(claims);
  return Object.freeze({
    userId: claims.sub as string,
    role: claims.role as string,
    ...(name === undefined ? {} : { name }),
    expiresAt: Math.floor((claims.exp as number) * 1000),
  });
}

function displayName(claims: Claims): string | undefined {
  const metadata = claims.user_metadata;
  if (typeof metadata !== "object" || metadata === null) return undefined;
  const { name, full_name, user_name } = metadata as Record<string, unknown>;
  for (const candidate of [name, full_name, user_name]) {
    // Some identity providers fill the name with the e-mail address.
    if (typeof candidate !== "string" || candidate.trim() === "" || candidate === claims.email) continue;
    return candidate.trim().slice(0, MAX_NAME_LENGTH);
  }
  return undefined;
}
