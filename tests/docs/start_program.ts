import { runProcess } from "../support/run_process.ts";

const ROOT = new URL("../../", import.meta.url);
const DEADLINE_MS = 60_000;

/** A program that runs in a process of its own until it is disposed of. */
export interface RunningProgram extends AsyncDisposable {
  /** Waits until these lines have been printed, in any order and among others; `…` stands for anything. */
  prints(expected: readonly string[]): Promise<void>;
}

/** Starts the program of a page, unchecked: see `checkModules`. */
export async function startProgram(program: string, env: Record<string, string> = {}): Promise<RunningProgram> {
  const folder = await Deno.makeTempDir();
  await Deno.writeTextFile(`${folder}/page.ts`, program);
  const config = new URL("deno.json", ROOT).pathname;
  const { until, end } = runProcess({
    args: ["run", "--no-check", "--no-prompt", "--frozen", "-A", "--config", config, `${folder}/page.ts`],
    env,
  });
  return {
    async prints(expected) {
      const patterns = expected.map((line) => new RegExp(`^${line.split("…").map(RegExp.escape).join(".*")}$`));
      await until(`it prints ${expected.join(" | ")}`, (printed) => {
        return patterns.every((pattern) => printed.some((line) => pattern.test(line))) || undefined;
      }, DEADLINE_MS);
    },
    async [Symbol.asyncDispose]() {
      await end();
      await Deno.remove(folder, { recursive: true });
    },
  };
}
