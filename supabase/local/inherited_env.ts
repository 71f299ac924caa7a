/** What a process needs to run, to find its packages in Deno's cache, and to write temporary files. */
const NAMES = ["PATH", "HOME", "DENO_DIR", "XDG_CACHE_HOME", "TMPDIR", "NPM_CONFIG_REGISTRY"];

/** The variables that a process is given of this one's own, where it is to know nothing else of the machine. */
export function inheritedEnv(): Record<string, string> {
  return Object.fromEntries(NAMES.flatMap((name) => {
    const value = Deno.env.get(name);
    return value === undefined ? [] : [[name, value]];
  }));
}
