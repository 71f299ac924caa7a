import { assertEquals, assertStringIncludes } from "@std/assert";
import { eventually } from "../support/eventually.ts";
import { openSocket, type TestSocket } from "../support/socket.ts";
import { startTestLocal } from "../support/start_local.ts";
import { within } from "../support/within.ts";
import { readConfig } from "../../supabase/local/read_config.ts";
import { checkModules } from "./check_modules.ts";
import { programOf, readBlocks, withModules } from "./read_blocks.ts";
import { startProgram } from "./start_program.ts";

const ROOT = new URL("../../", import.meta.url);
const blocks = readBlocks(Deno.readTextFileSync(new URL("docs/own-function.md", ROOT)));
const { info: game = "", code = "" } = blocks.find(({ info }) => info.startsWith("ts functions/"))!;

Deno.test("docs/own-function.md: its function and its players have the types that the project has", async () => {
  assertEquals(await checkModules(new Map([["nim", withModules(code)], ["players", programOf(blocks)]])), "");
});

Deno.test("docs/own-function.md: its entry of config.toml is one", async () => {
  const path = await Deno.makeTempFile();
  await Deno.writeTextFile(path, blocks.find(({ info }) => info === "toml")!.code);
  const { functions: [nim] } = await readConfig(new URL(`file://${path}`));
  assertEquals([nim!.name, nim!.verifyJwt, `ts functions/${nim!.name}/index.ts`], ["nim", false, game]);
  assertStringIncludes(nim!.entrypoint.href, "/functions/nim/index.ts");
  await Deno.remove(path);
});

Deno.test("docs/own-function.md: the game is played as it says, also by two on different isolates", async (t) => {
  const folder = await Deno.makeTempDir();
  await Deno.mkdir(`${folder}/nim`);
  await Deno.writeTextFile(`${folder}/nim/index.ts`, withModules(code));
  await using local = await startTestLocal({ functionsDir: new URL(`file://${folder}/`), isolates: 2 });

  await t.step("the players of the page", async () => {
    const program = programOf(blocks).replaceAll("wss://PROJECT.supabase.co", local.url.replace("http", "ws"));
    await using running = await startProgram(program);
    await running.prints(blocks.filter(({ info }) => info === "text").flatMap(({ code }) => code.trim().split("\n")));
  });

  await t.step("across isolates", async () => {
    const { first, second } = await seatAcrossIsolates(local.socketUrl("nim"));
    assertEquals([await first.nextJson(), await second.nextJson()], [
      { stones: 15, your_turn: true },
      { stones: 15, your_turn: false },
    ]);
    second.send("1");
    assertEquals(await second.nextJson(), { error: "not now" });
    first.send("3");
    assertEquals([await first.nextJson(), await second.nextJson()], [
      { stones: 12, your_turn: false },
      { stones: 12, your_turn: true },
    ]);
    await using third = await openSocket(`${local.socketUrl("nim")}?game=${first.game}`);
    assertEquals((await third.closed).code, 4403);
    await second.close();
    assertEquals((await first.closed).code, 1000);
  });
  await Deno.remove(folder, { recursive: true });
});

/** Two at one table, whose connections are on different isolates. */
async function seatAcrossIsolates(url: string): Promise<{ first: TestSocket & { game: string }; second: TestSocket }> {
  return await eventually("two sit on different isolates", async () => {
    const first = await openSocket(url);
    const { game } = await first.nextJson() as { game: string };
    const second = await openSocket(`${url}?game=${game}`);
    // What is sent before the table's isolate listens is lost: then nobody answers.
    const answered = await within("the table answers", second.nextJson(), 1_500).then(() => true, () => false);
    if (answered && await areApart(url)) return { first: Object.assign(first, { game }), second };
    await first.close();
    await second.close();
  }, { deadlineMs: 20_000 });
}

/** Whether each isolate has one of the two connections. */
async function areApart(url: string): Promise<boolean> {
  const connections = new Map<string, number>();
  for (let asked = 0; asked < 4; asked++) {
    const health = await (await fetch(`${url.replace("ws", "http")}/health`)).json();
    connections.set(health.isolate, health.connections);
  }
  return connections.size === 2 && [...connections.values()].every((count) => count === 1);
}
