import { assert, assertEquals } from "@std/assert";
import { signUpAs } from "./sign_up_as.ts";
import { startTestLocal } from "../support/start_local.ts";
import { checkModules } from "./check_modules.ts";
import { programOf, readBlocks } from "./read_blocks.ts";
import { startProgram } from "./start_program.ts";

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
      await using running = await startProgram(program, {
        SUPABASE_URL: local.url,
        SUPABASE_ANON_KEY: local.publishableKey,
      });
      await running.prints(expected);
    });
  }
});

function readPage(name: string) {
  return readBlocks(Deno.readTextFileSync(new URL(`docs/${name}.md`, ROOT)));
}
