import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { eventually } from "../support/eventually.ts";
import { type RunningProcess, runProcess } from "../support/run_process.ts";

const ROOT = new URL("../../", import.meta.url);

/** A run of `deno task dev`. */
interface Command extends RunningProcess, AsyncDisposable {
  /** All that it writes, once it has ended. */
  all: Promise<{ code: number; output: string }>;
}

/** Runs the file behind `deno task dev`. */
function run(...args: string[]): Command {
  const running = runProcess({
    args: ["run", "--allow-all", "--quiet", new URL("supabase/local/main.ts", ROOT).pathname, ...args],
  });
  const all = running.ended.then(({ code }) => ({ code, output: textOf(running) }));
  return { ...running, all, [Symbol.asyncDispose]: running.end };
}

function textOf({ printed }: RunningProcess): string {
  return printed.map((line) => `${line}\n`).join("");
}

async function ready(command: Command): Promise<void> {
  const isReady = (printed: readonly string[]) => printed.some((line) => line.startsWith("Ready in")) || undefined;
  await command.until("it is ready", isReady, 120_000);
}

Deno.test("deno task dev names the command that these tests run", async () => {
  const { tasks } = JSON.parse(await Deno.readTextFile(new URL("deno.json", ROOT)));
  assertMatch(tasks.dev.command, /^deno run .*--allow-all supabase\/local\/main\.ts$/);
});

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  Deno.test(`it prints addresses and keys, and ${signal} ends it and every isolate`, async () => {
    await using command = run("--port", "0", "--isolates", "1", "--wall-clock", "20s");
    await ready(command);
    const output = textOf(command);
    assertMatch(output, /API URL {2}http:\/\/127\.0\.0\.1:\d+\n/);
    assertMatch(output, /Function echo {2}ws:\/\/127\.0\.0\.1:\d+\/functions\/v1\/echo\n/);
    assertMatch(output, /Publishable key {2}sb_publishable_\w+\n/);
    assertMatch(output, /service_role key {2}eyJ/);
    const isolates = await isolatesOf(command.child.pid);
    assert(isolates.length > 0);
    command.child.kill(signal);
    assertEquals((await command.all).code, 0);
    await eventually("no isolate is left", () => !isolates.some(isAlive));
  });
}

Deno.test("when it is killed its isolates end by themselves", async () => {
  await using command = run("--port", "0", "--isolates", "1");
  await ready(command);
  const isolates = await isolatesOf(command.child.pid);
  assert(isolates.length > 0);
  command.child.kill("SIGKILL");
  await eventually("no isolate is left", () => !isolates.some(isAlive));
});

Deno.test("a taken port is one clear line and a failure", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  const { code, output } = await run("--port", String(port)).all;
  assertEquals([code, output], [
    1,
    `Port ${port} is taken: end what listens there, or choose another one with --port ${port + 1}\n`,
  ]);
});

Deno.test("a database that cannot be reached is a clear line and a failure", async () => {
  const { code, output } = await run("--port", "0", "--postgres", "postgresql://postgres@127.0.0.1:1/postgres").all;
  assertEquals(code, 1);
  assertStringIncludes(output, "Cannot reach the database: connect ECONNREFUSED 127.0.0.1:1\n");
});

Deno.test("a wrong command line is explained, with exit code 2", async () => {
  const { code, output } = await run("--bogus").all;
  assertEquals(code, 2);
  assertStringIncludes(output, "Unknown argument --bogus");
  assertStringIncludes(output, "--wall-clock TIME");
});

Deno.test("--help says what it takes", async () => {
  const { code, output } = await run("--help").all;
  assertEquals(code, 0);
  assertStringIncludes(output, "--postgres URL");
});

/** The processes that a process has started. */
async function isolatesOf(pid: number): Promise<number[]> {
  const children: string[] = [];
  for await (const { name: thread } of Deno.readDir(`/proc/${pid}/task`)) {
    children.push(await Deno.readTextFile(`/proc/${pid}/task/${thread}/children`));
  }
  return children.join(" ").split(/\s+/).filter(Boolean).map(Number);
}

/** Whether a process runs: one that has ended but that nobody has asked for yet does not. */
function isAlive(pid: number): boolean {
  try {
    return !/\) [ZX] /.test(Deno.readTextFileSync(`/proc/${pid}/stat`));
  } catch {
    return false; // There is no such process.
  }
}
