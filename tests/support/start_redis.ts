import { eventually } from "./eventually.ts";

/** A Redis server of a test's own. */
export interface TestRedis {
  /** `redis://127.0.0.1:PORT`, with the password where there is one. */
  readonly url: string;
  /** The process of the server, to pause it. */
  readonly pid: number;
  /** Ends the server as a crash would; `start` brings it back on the same port. */
  kill(): Promise<void>;
  start(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Starts a server on a free port that keeps nothing on disk. `program` is its path, as `requires("redis-server").path` gives it. */
export async function startRedis(program: string, { password }: { password?: string } = {}): Promise<TestRedis> {
  const folder = await Deno.makeTempDir({ prefix: "redis-" });
  const port = freePort();
  const secret = password === undefined ? [] : ["--requirepass", password];
  const args = ["--port", String(port), "--bind", "127.0.0.1", "--dir", folder, "--save", "", ...secret];
  let server: Deno.ChildProcess | undefined;

  const start = async () => {
    // Redis ends with its input, which it does too when the test process is killed: no server stays behind.
    const options: Deno.CommandOptions = { args: ["-c", END_WITH_INPUT, "sh", program, ...args], stdin: "piped" };
    server = new Deno.Command("sh", { ...options, stdout: "null", stderr: "null" }).spawn();
    await eventually("Redis takes connections", () => isOpen(port), { deadlineMs: 15_000 });
  };
  const kill = async () => {
    const running = server;
    server = undefined;
    if (running === undefined) return;
    await running.stdin.close();
    await running.status;
  };
  await start();
  return {
    url: `redis://${password === undefined ? "" : `:${encodeURIComponent(password)}@`}127.0.0.1:${port}`,
    get pid() {
      return childOf(server!.pid);
    },
    start,
    kill,
    async [Symbol.asyncDispose]() {
      await kill();
      await Deno.remove(folder, { recursive: true });
    },
  };
}

const END_WITH_INPUT = '"$@" & cat >/dev/null; kill -KILL $!; wait $! 2>/dev/null; exit 0';

/** The server itself, whose parent is a shell. */
function childOf(pid: number): number {
  const children = Deno.readTextFileSync(`/proc/${pid}/task/${pid}/children`).trim().split(" ").map(Number);
  return children.find((child) => Deno.readTextFileSync(`/proc/${child}/comm`).startsWith("redis-server"))!;
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

async function isOpen(port: number): Promise<boolean> {
  try {
    (await Deno.connect({ hostname: "127.0.0.1", port })).close();
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.ConnectionRefused) return false;
    throw error;
  }
}
