import { assertEquals, assertRejects } from "@std/assert";
import { eventually } from "./eventually.ts";
import { runProcess } from "./run_process.ts";

const find = (text: string) => (printed: readonly string[]) => printed.includes(text) || undefined;

Deno.test("runProcess() waits for what is printed, and says all of it where that never comes", async () => {
  const running = runProcess({
    program: "sh",
    args: ["-c", "echo one; echo taken; echo two >&2; exit 3"],
    takes: (line) => line === "taken",
  });
  await running.until("one", find("one"), 10_000);
  const error = await assertRejects(() => running.until("three", find("three"), 10_000), Error) as Error;
  assertEquals(error.message.split("\n").slice(0, 2), ["It ended before this: three", "It printed:"]);
  assertEquals((await running.ended).code, 3);
  assertEquals([...running.printed].sort(), ["one", "two"]);
  await running.end();
});

Deno.test("a server ends with who started it, even where that is killed", async () => {
  const { href } = new URL("../deploy/start_function.ts", import.meta.url);
  const folder = await Deno.makeTempDir();
  await Deno.writeTextFile(`${folder}/serve.ts`, `Deno.serve(() => new Response());`);
  await Deno.writeTextFile(
    `${folder}/start.ts`,
    `import { startFunction } from "${href}";
    const root = new URL("../../", "${import.meta.url}");
    const { pid } = await startFunction({ root }, new URL("serve.ts", import.meta.url).href, {}, Deno.version.deno);
    console.log("pid " + pid);`,
  );
  const config = new URL("../../deno.json", import.meta.url).pathname;
  const starter = runProcess({ args: ["run", "-A", "--no-check", "--config", config, `${folder}/start.ts`] });
  const pid = await starter.until("a server", ([line]) => line?.replace("pid ", ""), 60_000);
  assertEquals(await isAlive(pid), true);
  await starter.end();
  await eventually("the server is gone", async () => !await isAlive(pid));
  await Deno.remove(folder, { recursive: true });
});

/** Whether a process runs: one that has ended but that nobody has asked for yet does not. */
async function isAlive(pid: string): Promise<boolean> {
  const state = await Deno.readTextFile(`/proc/${pid}/stat`).catch(() => ") Z ");
  return !/\) [ZX] /.test(state);
}
