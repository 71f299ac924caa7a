/** What a secret looks like, and how much of it may be shown: its first group. */
const SECRETS: readonly RegExp[] = [
  // Values of these parameters, wherever they stand: a URL, a form, an object that was written out.
  /(\b(?:jwt|token|access_token|refresh_token|apikey|api_key|password|secret)["']?\s*[=:]\s*["']?)[^\s"'&,;})]+/gi,
  // A header's credentials.
  /(\b(?:Bearer|Basic)\s+)[\w.~+/=-]+/gi,
  // What stands before the host of an address.
  /(\b[a-z][a-z0-9+.-]*:\/\/[^\s:@/"]*:)[^\s@/"]+(?=@)/gi,
  // A JSON Web Token or the beginning of one, also as a subprotocol.
  /()(?<![A-Za-z0-9])eyJ[\w-]{5,}(?:\.[\w-]*){0,2}/g,
  // Keys of Supabase (secret keys, access tokens) and of OpenAI.
  /()(?<![A-Za-z0-9])(?:sb_secret_|sbp_|sk-)[\w-]{6,}/g,
];

/**
 * `text` without what looks like a credential. A net under those who log, not a leave to log secrets: a secret that has
 * no known form passes.
 */
export function redactSecrets(text: string): string {
  return SECRETS.reduce((redacted, pattern) => redacted.replace(pattern, "$1…"), text);
}
