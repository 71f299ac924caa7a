import { linesOf } from "../support/lines_of.ts";
import { within } from "../support/within.ts";

const ROOT = new URL("../../", import.meta.url);

/** A program that runs in a process of its own until it is disposed of. */
export interface RunningProgram extends AsyncDisposable {
  /** Waits until these lines have been printed, in any order and among others; `…` stands for anything. */
  prints(expected: readonly string[]): Promise<void>;
}

/** Starts the program of a page, unchecked: see `checkModules`. */
export async function startProgram(program: string, env: Record<string, string> = {}): Promise<RunningProgram> {
  const folder = await Deno.makeTempDir();
  await Deno.writeTextFile(`${folder}/page.ts`, program);
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--no-check",
      "--no-prompt",
      "--frozen",
      "-A",
      "--config",
      new URL("deno.json", ROOT).pathname,
      `${folder}/page.ts`,
    ],
    env: { ...env, NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const printed: string[] = [];
  let wake = Promise.withResolvers<void>();
  const drained = Promise.all([child.stdout, child.stderr].map(async (stream) => {
    for await (const line of linesOf(stream)) {
      printed.push(line);
      wake.resolve();
      wake = Promise.withResolvers();
    }
  }));
  let hasEnded = false;
  drained.then(() => {
    hasEnded = true;
    wake.resolve();
  });
  async function prints(expected: readonly string[]): Promise<void> {
    const patterns = expected.map((line) => new RegExp(`^${line.split("…").map(RegExp.escape).join(".*")}$`));
    const isThere = () => patterns.every((pattern) => printed.some((line) => pattern.test(line)));
    while (!isThere()) {
      if (hasEnded) throw new Error("The program has ended");
      await wake.promise;
    }
  }

  return {
    prints: async (expected) => {
      await within(`it prints ${expected.join(" | ")}`, prints(expected), 30_000).catch((error) => {
        throw new Error(`${error.message}\nIt printed:\n${printed.join("\n")}`);
      });
    },
    async [Symbol.asyncDispose]() {
      try {
        child.kill("SIGKILL");
      } catch (error) {
        if (!(error instanceof TypeError)) throw error; // It has ended by itself.
      }
      await Promise.all([child.status, drained]);
      await Deno.remove(folder, { recursive: true });
    },
  };
}
