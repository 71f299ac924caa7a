import { assert, assertEquals } from "@std/assert";

const ROOT = new URL("../../", import.meta.url);

/** What may stand undocumented or unnamed, each with its reason. */
const ALLOWED: { reason: string; pattern: RegExp }[] = [
  { reason: "frames have the types that zod infers from their schemas", pattern: /shared\/protocol\/\w+_frames\.ts/ },
  { reason: "the codes are the keys of their table", pattern: /private type 'ERROR_CODES'/ },
  {
    reason: "what is read of OpenAI's settings goes to its sessions as it is",
    pattern: /'OpenAiSessionSettings\["(policy|conversation|usage)"\]'/,
  },
];

Deno.test("every name that a module exports is documented, and so is every type that it mentions", async () => {
  const modules = listModules();
  assert(modules.length >= 6);
  const { stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["doc", "--quiet", "--lint", ...modules],
    cwd: ROOT,
    env: { NO_COLOR: "1" },
    stdin: "null",
  }).output();
  const complaints = new TextDecoder().decode(stderr).split(/\n(?=error\[)/).filter((text) => text.startsWith("error["))
    .map((text) => text.split("\n").slice(0, 2).map((line) => line.trim()).join(" "));
  assertEquals(complaints.filter((complaint) => !ALLOWED.some(({ pattern }) => pattern.test(complaint))), []);
  for (const { reason, pattern } of ALLOWED) {
    assert(complaints.some((text) => pattern.test(text)), `needless: ${reason}`);
  }
});

/** The `mod.ts` of each folder of shared/ that has one. */
function listModules(): string[] {
  return [...Deno.readDirSync(new URL("shared", ROOT))].map(({ name }) => `shared/${name}`)
    .filter((folder) => [...Deno.readDirSync(new URL(folder, ROOT))].some(({ name }) => name === "mod.ts"))
    .map((folder) => `${folder}/mod.ts`).sort();
}
