import { assert, assertEquals } from "@std/assert";
import { TextLineStream } from "@std/streams/text-line-stream";
import { signUpAs } from "./sign_up_as.ts";
import { startTestLocal, type TestLocal } from "../support/start_local.ts";
import { within } from "../support/within.ts";
import { checkModules } from "./check_modules.ts";
import { programOf, readBlocks } from "./read_blocks.ts";

const ROOT = new URL("../../", import.meta.url);

/** Pages whose blocks of TypeScript are one program, whose blocks of text are what it prints, among other things. */
const PROGRAMS = ["connect", "authenticate", "rooms", "direct-messages"];

Deno.test("the programs of docs have the types that the project has", async () => {
  const pages = PROGRAMS.map((name) => [name, programOf(readPage(name))] as const);
  assertEquals(await checkModules(new Map(pages)), "");
});

Deno.test("the programs of docs print what they say, against a local project", async (t) => {
  await using local = await startTestLocal();
  const bob = await signUpAs(local, "bob@example.com");
  await signUpAs(local, "ann@example.com");
  for (const name of PROGRAMS) {
    await t.step(`docs/${name}.md`, async () => {
      const blocks = readPage(name);
      const expected = blocks.filter(({ info }) => info === "text").flatMap(({ code }) => code.trimEnd().split("\n"));
      assert(expected.length > 0, "a program says what it prints");
      const program = programOf(blocks)
        .replaceAll("https://PROJECT.supabase.co", local.url)
        .replaceAll("wss://PROJECT.supabase.co", local.url.replace("http", "ws"))
        .replaceAll("PUBLISHABLE_KEY", local.publishableKey)
        .replaceAll("4e0c9d3c-6a0f-4f8e-9d55-0d6a1a1f3c11", bob.id);
      await using running = await startProgram(program, local);
      await within(`docs/${name}.md prints ${expected.join(" | ")}`, running.prints(expected), 20_000).catch(
        (error) => {
          throw new Error(`${error.message}\nIt printed:\n${running.printed.join("\n")}`);
        },
      );
    });
  }
});

function readPage(name: string) {
  return readBlocks(Deno.readTextFileSync(new URL(`docs/${name}.md`, ROOT)));
}

/** Runs a program in a process of its own until it is disposed of. */
async function startProgram(program: string, local: TestLocal) {
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
    env: { NO_COLOR: "1", SUPABASE_URL: local.url, SUPABASE_ANON_KEY: local.publishableKey },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const printed: string[] = [];
  let wake = Promise.withResolvers<void>();
  const drained = Promise.all([child.stdout, child.stderr].map(async (stream) => {
    const lines: ReadableStream<string> = stream.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream());
    for await (const line of lines) {
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
  return {
    printed,
    /** Waits until these lines have been printed, in any order and among others; `…` stands for anything. */
    async prints(expected: readonly string[]) {
      const patterns = expected.map((line) => new RegExp(`^${line.split("…").map(RegExp.escape).join(".*")}$`));
      const isThere = () => patterns.every((pattern) => printed.some((line) => pattern.test(line)));
      while (!isThere()) {
        if (hasEnded) throw new Error("The program has ended");
        await wake.promise;
      }
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
