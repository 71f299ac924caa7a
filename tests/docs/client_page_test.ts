import { assert, assertEquals } from "@std/assert";
import { ChatServerFrame } from "../../shared/protocol/chat_server_frames.ts";

const ROOT = new URL("../../", import.meta.url);
const page = await Deno.readTextFile(new URL("docs/client.md", ROOT));

Deno.test("docs/client.md: its code, read as one module, has the types that the client has", async () => {
  const blocks = [...page.matchAll(/```ts\n([\s\S]*?)```/g)].map(([, code]) => code!);
  assert(blocks.length > 5);
  const module = blocks.join("\n").replaceAll(`"./client.js"`, `"${new URL("shared/client/mod.ts", ROOT)}"`);
  const folder = await Deno.makeTempDir();
  try {
    assertEquals(await check(`${folder}/page.ts`, module), "");
    const wrong = module.replace("chat.send({ body:", "chat.send({ bodies:");
    assert((await check(`${folder}/wrong.ts`, wrong)).includes("'bodies' does not exist"), "what is wrong is found");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("docs/client.md names every event of the client", () => {
  const frames = ChatServerFrame.def.options.map((schema) => schema.shape.type.def.values[0]!);
  const own = ["message", "status", "sent", "refused"];
  for (const name of [...frames.filter((name) => name !== "batch"), ...own]) {
    assert(page.includes(`\`${name}\``), `The page lacks the event ${name}`);
  }
});

/** The complaints of the type checker about a module; empty where there are none. */
async function check(path: string, module: string): Promise<string> {
  await Deno.writeTextFile(path, module);
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["check", "--quiet", "--frozen", "--config", new URL("deno.json", ROOT).pathname, path],
    env: { NO_COLOR: "1" },
    stdin: "null",
  }).output();
  return success ? "" : new TextDecoder().decode(stderr);
}
