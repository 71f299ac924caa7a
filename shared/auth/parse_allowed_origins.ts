/** `*`, or scheme, `://`, host (with `*.` before it, if need be) and port. */
const ENTRY = /^(?:\*|([a-z][a-z0-9+.-]*):\/\/(\*\.)?([a-z0-9_.-]+|\[[0-9a-f:.]+\])(:\d{1,5})?)$/;

/**
 * The origins in a setting such as `https://app.example.com, https://*.example.org, http://localhost:3000`, separated
 * by commas or white space, in the form that `checkOrigin` compares. `https://*.example.org` stands for all subdomains
 * at any depth, but not for `https://example.org`; `*` for every caller. Nothing set gives an empty list: same origin
 * only.
 * @throws {RangeError} for what is no origin (a path, no scheme, `null`) and a wildcard over a whole top-level domain.
 */
export function parseAllowedOrigins(raw: string | undefined): readonly string[] {
  return (raw ?? "").split(/[\s,]+/).filter((entry) => entry !== "").map((entry) => parseOrigin(entry.toLowerCase()));
}

function parseOrigin(entry: string): string {
  const match = ENTRY.exec(entry);
  if (!match) throw invalid(entry, "hold origins such as https://app.example.com, without a path");
  const [, scheme, wildcard = "", host = "", port = ""] = match;
  if (scheme === undefined) return entry;
  if (wildcard && !host.includes(".") && host !== "localhost") {
    throw invalid(entry, "not allow all of a top-level domain");
  }
  // Pages in an app's own shell (capacitor://localhost, say) have an origin that URL calls opaque: kept as written.
  if (scheme !== "http" && scheme !== "https") return entry;
  if (!URL.canParse(`${scheme}://${host}${port}`)) throw invalid(entry, "hold valid hosts and ports");
  // Browsers leave the default port out.
  const isDefaultPort = port === (scheme === "https" ? ":443" : ":80");
  return `${scheme}://${wildcard}${host}${isDefaultPort ? "" : port}`;
}

function invalid(entry: string, rule: string): RangeError {
  return new RangeError(`Cannot start as ALLOWED_ORIGINS must ${rule}: current value holds "${entry}"`);
}
