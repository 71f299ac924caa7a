import { denoPath, HOSTED_DENO } from "../support/deno_versions.ts";
import { type ServerProcess, startServerProcess } from "../support/start_server_process.ts";
import type { UploadedTree } from "./uploaded_tree.ts";

const BOOT = new URL("boot.ts", import.meta.url).href;

/**
 * Runs `entrypoint` of a tree on the Deno of a version: the hosted platform's, if not told otherwise. Rejects with what it
 * printed where it does not start.
 */
export async function startFunction(
  { root }: Pick<UploadedTree, "root">,
  entrypoint: string,
  env: Record<string, string>,
  version = HOSTED_DENO,
): Promise<ServerProcess> {
  const { href } = new URL(entrypoint, root);
  return await startServerProcess({
    program: await denoPath(version),
    args: ["run", "-A", "--no-prompt", "--no-lock", "--config", "deno.json", BOOT, href],
    cwd: root,
    env,
  });
}
