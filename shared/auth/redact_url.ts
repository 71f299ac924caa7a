const SECRET_NAME = /jwt|token|key|secret|password|passwd|credential|signature|^sig$|^auth|^code$/i;
const TOKEN_ANYWHERE = /eyJ[A-Za-z0-9_-]*\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*/g;

/**
 * The URL with `***` for what must not be logged: the values of parameters named like a credential (`jwt`, `token`,
 * `apikey`, …) in query and fragment, the user information before the host, and whatever looks like a signed token.
 * Takes whole URLs, paths, and text that is neither, and never throws.
 */
export function redactUrl(url: string | URL): string {
  return String(url)
    .replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/?#@]*@/i, "$1***@")
    .replace(
      /([?&#])([^=&#]*)=([^&#]*)/g,
      (pair, separator, name) => SECRET_NAME.test(decodeName(name)) ? `${separator}${name}=***` : pair,
    )
    .replace(TOKEN_ANYWHERE, "***");
}

function decodeName(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    return name; // A stray percent sign: URLSearchParams leaves those as they are, too.
  }
}
