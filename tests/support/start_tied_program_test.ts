import { assert, assertEquals, assertRejects } from "@std/assert";
import { eventually } from "./eventually.ts";
import { freePort, withFreePort } from "./free_port.ts";
import { startTiedProgram, type TiedProgram } from "./start_tied_program.ts";

const isAlive = (pid: number) => Deno.stat(`/proc/${pid}`).then(() => true, () => false);

function startSleep(): Promise<TiedProgram> {
  return startTiedProgram({
    command: ["sleep", "600"],
    signal: "KILL",
    isReady: async (pid) => (await childrenOf(pid)).length === 2,
    deadlineMs: 10_000,
  });
}

/** The program, and who waits for the input. */
async function childrenOf(pid: number): Promise<number[]> {
  const children = await Deno.readTextFile(`/proc/${pid}/task/${pid}/children`);
  return children.trim().split(" ").filter(Boolean).map(Number);
}

Deno.test("startTiedProgram() ends the program, and nothing of it stays", async () => {
  const program = await startSleep();
  const processes = [program.pid, ...await childrenOf(program.pid)];
  assertEquals(await Promise.all(processes.map(isAlive)), [true, true, true]);
  await program.end();
  await program.end();
  await eventually("all are gone", async () => (await Promise.all(processes.map(isAlive))).every((alive) => !alive));
});

Deno.test("startTiedProgram() rejects as soon as the program has ended", async () => {
  const start = startTiedProgram({
    command: ["false"],
    signal: "KILL",
    isReady: () => Promise.resolve(false),
    deadlineMs: 600_000,
  });
  await assertRejects(() => start, Error, "Cannot start false: it ended");
});

Deno.test("freePort() leaves those alone that systems give to whoever asks for any", () => {
  const port = freePort();
  assert(port < 32_768, String(port));
  Deno.listen({ hostname: "127.0.0.1", port }).close();
});

Deno.test("withFreePort() tries another port where a start fails, and gives up after three", async () => {
  const ports = new Set<number>();
  const failOnce = (port: number) =>
    ports.add(port).size > 1 ? Promise.resolve(port) : Promise.reject(new Error("taken"));
  assertEquals(await withFreePort(failOnce), [...ports][1]);
  let tries = 0;
  const fail = () => Promise.reject(new Error(`try ${++tries}`));
  await assertRejects(() => withFreePort(fail), Error, "try 3");
});
