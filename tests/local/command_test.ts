import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { eventually } from "../support/eventually.ts";

const ROOT = new URL("../../", import.meta.url);

/** A run of `deno task dev`, and what it wrote so far. */
interface Command extends AsyncDisposable {
  process: Deno.ChildProcess;
  output: () => string;
  /** Settles when all is written. */
  ended: Promise<{ code: number; output: string }>;
}

/** Runs the file behind `deno task dev`. */
function run(...args: string[]): Command {
  const process = new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-all", "--quiet", new URL("supabase/local/main.ts", ROOT).pathname, ...args],
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let output = "";
  const read = async (stream: ReadableStream<Uint8Array>) => {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) output += text;
  };
  const ended = Promise.all([process.status, read(process.stdout), read(process.stderr)])
    .then(([{ code }]) => ({ code, output }));
  return {
    process,
    output: () => output,
    ended,
    async [Symbol.asyncDispose]() {
      if (isAlive(process.pid)) process.kill("SIGKILL");
      await ended;
    },
  };
}

async function ready(command: Command): Promise<void> {
  await eventually("it is ready", () => command.output().includes("Ready in"), { deadlineMs: 120_000 });
}

Deno.test("deno task dev names the command that these tests run", async () => {
  const { tasks } = JSON.parse(await Deno.readTextFile(new URL("deno.json", ROOT)));
  assertMatch(tasks.dev.command, /^deno run .*--allow-all supabase\/local\/main\.ts$/);
});

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  Deno.test(`it prints addresses and keys, and ${signal} ends it and every isolate`, async () => {
    await using command = run("--port", "0", "--isolates", "1", "--wall-clock", "20s");
    await ready(command);
    const output = command.output();
    assertMatch(output, /API URL {2}http:\/\/127\.0\.0\.1:\d+\n/);
    assertMatch(output, /Function echo {2}ws:\/\/127\.0\.0\.1:\d+\/functions\/v1\/echo\n/);
    assertMatch(output, /Publishable key {2}sb_publishable_\w+\n/);
    assertMatch(output, /service_role key {2}eyJ/);
    const isolates = await isolatesOf(command.process.pid);
    assert(isolates.length > 0);
    command.process.kill(signal);
    assertEquals((await command.ended).code, 0);
    await eventually("no isolate is left", () => !isolates.some(isAlive));
  });
}

Deno.test("when it is killed its isolates end by themselves", async () => {
  await using command = run("--port", "0", "--isolates", "1");
  await ready(command);
  const isolates = await isolatesOf(command.process.pid);
  assert(isolates.length > 0);
  command.process.kill("SIGKILL");
  await eventually("no isolate is left", () => !isolates.some(isAlive));
});

Deno.test("a taken port is one clear line and a failure", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  const { code, output } = await run("--port", String(port)).ended;
  assertEquals([code, output], [
    1,
    `Port ${port} is taken: end what listens there, or choose another one with --port ${port + 1}\n`,
  ]);
});

Deno.test("a database that cannot be reached is a clear line and a failure", async () => {
  const { code, output } = await run("--port", "0", "--postgres", "postgresql://postgres@127.0.0.1:1/postgres").ended;
  assertEquals(code, 1);
  assertStringIncludes(output, "Cannot reach the database: connect ECONNREFUSED 127.0.0.1:1\n");
});

Deno.test("a wrong command line is explained, with exit code 2", async () => {
  const { code, output } = await run("--bogus").ended;
  assertEquals(code, 2);
  assertStringIncludes(output, "Unknown argument --bogus");
  assertStringIncludes(output, "--wall-clock TIME");
});

Deno.test("--help says what it takes", async () => {
  const { code, output } = await run("--help").ended;
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
