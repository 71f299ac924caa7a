import { fileURLToPath } from "node:url";
import type { FunctionConfig } from "./read_config.ts";

/**
 * Brings what a function imports into Deno's cache. An isolate has none of this process's settings for proxies,
 * certificates and registries, so it could not do so itself. Where this fails, the isolate says what is missing.
 */
export async function fetchDependencies({ entrypoint, importMap }: FunctionConfig, deno: string): Promise<void> {
  await new Deno.Command(deno, {
    args: [
      ...["cache", "--quiet", "--no-lock"],
      importMap ? `--config=${fileURLToPath(importMap)}` : "--no-config",
      entrypoint.href,
    ],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).output();
}
