import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { readConfig } from "../../supabase/local/read_config.ts";
import { eventually } from "../support/eventually.ts";
import { openSocket, type TestSocket } from "../support/socket.ts";
import { startTestLocal, type TestLocal } from "../support/start_local.ts";
import { within } from "../support/within.ts";
import { blocksIn, page } from "./pages.ts";
import { programOf, withModules } from "./read_blocks.ts";
import { signUpAs } from "./sign_up_as.ts";
import { startProgram } from "./start_program.ts";

const ROOT = new URL("../../", import.meta.url);

/** Pages whose blocks of TypeScript are one program, whose blocks of text are what it prints, among other things. */
const PROGRAMS = ["connect", "authenticate", "rooms", "direct-messages", "openai", "realtime", "own-function"];

/** The function that docs/own-function.md writes. */
const nim = page("docs/own-function.md").blocks.find(({ info }) => info === "ts functions/nim/index.ts")!;

Deno.test("what docs say is so, tried on a local project with two isolates for each function", async (t) => {
  const functions = await functionsFolder();
  await using local = await startTestLocal({ functionsDir: functions, isolates: 2 });
  await signUpAs(local, "ann@example.com");
  const bob = await signUpAs(local, "bob@example.com");

  for (const name of PROGRAMS) {
    await t.step(`docs/${name}.md prints what it says`, async () => {
      const { blocks } = page(`docs/${name}.md`);
      const expected = blocks.filter(({ info }) => info === "text").flatMap(({ code }) => code.trimEnd().split("\n"));
      assert(expected.length > 0, "a program says what it prints");
      const program = programOf(blocks)
        .replaceAll("https://PROJECT.supabase.co", local.url)
        .replaceAll("wss://PROJECT.supabase.co", local.url.replace("http", "ws"))
        .replaceAll("PUBLISHABLE_KEY", local.publishableKey)
        .replaceAll("4e0c9d3c-6a0f-4f8e-9d55-0d6a1a1f3c11", bob.id);
      const variables = { SUPABASE_URL: local.url, SUPABASE_ANON_KEY: local.publishableKey };
      await using running = await startProgram(program, variables);
      await running.prints(expected);
    });
  }
  await t.step("docs/own-function.md: the game keeps its rules, for two on different isolates too", async () => {
    await playAcrossIsolates(local.socketUrl("nim"));
  });
  for (const { code, where } of blocksIn("sh")) {
    for (const line of code.replaceAll("\\\n", " ").split("\n").filter((line) => line.startsWith("curl "))) {
      await t.step(`${where}: ${line.slice(0, 80)}`, () => request(line, local));
    }
  }
  for (const { code, where } of blocksIn("sql")) {
    await t.step(`${where}: ${code.trim()}`, async () => void await local.sql(code));
  }
  await Deno.remove(functions, { recursive: true });
});

Deno.test("docs/own-function.md: its entry of config.toml is one", async () => {
  const path = await Deno.makeTempFile();
  await Deno.writeTextFile(path, page("docs/own-function.md").blocks.find(({ info }) => info === "toml")!.code);
  const { functions: [entry] } = await readConfig(new URL(`file://${path}`));
  assertEquals([entry!.name, entry!.verifyJwt, `ts functions/${entry!.name}/index.ts`], ["nim", false, nim.info]);
  assertStringIncludes(entry!.entrypoint.href, "/functions/nim/index.ts");
  await Deno.remove(path);
});

/** A folder with the project's functions and the one that docs/own-function.md writes. */
async function functionsFolder(): Promise<URL> {
  const folder = await Deno.makeTempDir();
  for (const name of ["echo", "chat", "relay", "nim"]) {
    await Deno.mkdir(`${folder}/${name}`);
    const code = name === "nim" ? withModules(nim.code) : `import "${ROOT}functions/${name}/index.ts";\n`;
    await Deno.writeTextFile(`${folder}/${name}/index.ts`, code);
  }
  return new URL(`file://${folder}/`);
}

/** Does what a line of curl does, and fails where the answer is no success. */
async function request(line: string, local: TestLocal): Promise<void> {
  const [, address = ""] = line.match(/https:\/\/PROJECT\.supabase\.co(\S+)/) ?? [];
  const headers = [...line.matchAll(/-H "([\w-]+): ([^"]*)"/g)].map(([, name, value]): [string, string] => [
    name!,
    value!.replace("$SUPABASE_SECRET_KEY", local.secretKey),
  ]);
  const body = line.match(/-d '([^']*)'/)?.[1];
  const response = await fetch(local.url + address, { headers, method: body ? "POST" : "GET", body });
  const text = await response.text();
  assert(response.ok, `It is answered ${response.status} ${text}`);
}

async function playAcrossIsolates(url: string): Promise<void> {
  const { first, second, game } = await seatAcrossIsolates(url);
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
  const third = await openSocket(`${url}?game=${game}`);
  assertEquals((await third.closed).code, 4403);
  await second.close();
  assertEquals((await first.closed).code, 1000, "who is left alone is told");
}

/** Two at one table, whose connections are on different isolates. */
async function seatAcrossIsolates(url: string): Promise<{ first: TestSocket; second: TestSocket; game: string }> {
  return await eventually("two sit on different isolates", async () => {
    const first = await openSocket(url);
    const { game } = await first.nextJson() as { game: string };
    const second = await openSocket(`${url}?game=${game}`);
    // A bus may lose a message: then nobody answers.
    const answered = await within("the table answers", second.nextJson(), 5_000).then(() => true, () => false);
    if (answered && await areApart(url)) return { first, second, game };
    await first.close();
    await second.close();
  }, { deadlineMs: 30_000 });
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
