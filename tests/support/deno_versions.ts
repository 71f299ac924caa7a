/** The Deno that the hosted platform resembles. */
export const HOSTED_DENO = "2.1.4";

const paths = new Map<string, Promise<string>>();

/**
 * Gives the path of the Deno of a version, for a test that runs code on it: our own where it is that one, else npm's,
 * downloaded on first use and looked up once a process. Rejects where npm cannot be reached.
 *
 * On 2.1.4 use `--no-lock`: it cannot read the lock file of later versions.
 */
export function denoPath(version: string): Promise<string> {
  const path = paths.get(version) ?? findDeno(version);
  paths.set(version, path);
  return path;
}

async function findDeno(version: string): Promise<string> {
  if (version === Deno.version.deno) return Deno.execPath();
  // npm's `deno` is a script of Node's; what it starts is the program, which can be killed.
  const { success, stdout, stderr } = await new Deno.Command("npx", {
    args: ["-y", "-p", `deno@${version}`, "--", "deno", "eval", "--no-config", "--no-lock", "-p", "Deno.execPath()"],
    env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" },
    stdin: "null",
  }).output();
  const path = new TextDecoder().decode(stdout).trim().split("\n").at(-1);
  if (success && path?.startsWith("/")) return path;
  throw new Error(`Cannot get deno@${version} from npm: ${new TextDecoder().decode(stderr)}`);
}
