/** How a deployment ended, and what the CLI said. */
export interface DeployResult {
  readonly success: boolean;
  readonly output: string;
}

/** Where a deployment goes. */
export interface DeployTarget {
  readonly apiUrl: string;
  readonly projectRef: string;
  readonly accessToken: string;
}

/** The CLI is a download of 140 MB in a fresh home, and a hung one must not hang the tests. */
const TIME_LIMIT_MS = 240_000;

/**
 * Runs `deno task deploy` in `root`, which is the real CLI, against another Management API. Its home is an empty folder, its
 * telemetry and its look for updates are off, and no setting of whoever runs the tests reaches it.
 */
export async function runDeploy(root: URL, { apiUrl, projectRef, accessToken }: DeployTarget): Promise<DeployResult> {
  const home = await Deno.makeTempDir({ prefix: "deploy-home-" });
  try {
    const profile = `${home}/loopback.yaml`;
    await Deno.writeTextFile(
      profile,
      `name: loopback\napi_url: ${apiUrl}\ndashboard_url: ${apiUrl}\nproject_host: localhost\n`,
    );
    const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["task", "deploy", `--remote=${projectRef}`, "--profile", profile, "--yes"],
      cwd: root,
      clearEnv: true,
      env: {
        ...withoutSupabase(Deno.env.toObject()),
        // Deno and npm keep their downloads and settings: only the CLI gets the empty home.
        DENO_DIR: await denoDir(),
        NPM_CONFIG_CACHE: await npmSetting("cache"),
        NPM_CONFIG_USERCONFIG: await npmSetting("userconfig"),
        NPM_CONFIG_UPDATE_NOTIFIER: "false",
        HOME: home,
        NO_COLOR: "1",
        NO_PROXY: "127.0.0.1",
        SUPABASE_ACCESS_TOKEN: accessToken,
        SUPABASE_NO_KEYRING: "1",
        SUPABASE_NO_UPDATE_NOTIFIER: "1",
        SUPABASE_TELEMETRY_DISABLED: "1",
        DO_NOT_TRACK: "1",
      },
      stdin: "null",
      signal: AbortSignal.timeout(TIME_LIMIT_MS),
    }).output();
    return { success, output: new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr) };
  } finally {
    await Deno.remove(home, { recursive: true });
  }
}

function withoutSupabase(env: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith("SUPABASE_")));
}

async function npmSetting(name: string): Promise<string> {
  const { stdout } = await new Deno.Command("npm", { args: ["config", "get", name], stdin: "null" }).output();
  return new TextDecoder().decode(stdout).trim();
}

async function denoDir(): Promise<string> {
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"], stdin: "null" }).output();
  return (JSON.parse(new TextDecoder().decode(stdout)) as { denoDir: string }).denoDir;
}
