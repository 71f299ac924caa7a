import { withFreePort } from "./free_port.ts";
import { startTiedProgram, type TiedProgram } from "./start_tied_program.ts";

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
  const secret = password === undefined ? [] : ["--requirepass", password];
  const boot = (port: number) =>
    startTiedProgram({
      command: [program, "--port", String(port), "--bind", "127.0.0.1", "--dir", folder, "--save", "", ...secret],
      signal: "KILL",
      isReady: async (pid) => {
        const child = childOf(pid);
        return child !== undefined && await processAt(port, password) === child;
      },
      deadlineMs: 30_000,
    });
  let server: TiedProgram | undefined;
  const port = await withFreePort(async (port) => {
    server = await boot(port);
    return port;
  });
  const kill = async () => {
    const running = server;
    server = undefined;
    await running?.end();
  };
  return {
    url: `redis://${password === undefined ? "" : `:${encodeURIComponent(password)}@`}127.0.0.1:${port}`,
    get pid() {
      return childOf(server!.pid)!;
    },
    async start() {
      server = await boot(port);
    },
    kill,
    async [Symbol.asyncDispose]() {
      await kill();
      await Deno.remove(folder, { recursive: true });
    },
  };
}

/** The server itself, whose parent is a shell. */
function childOf(pid: number): number | undefined {
  const children = Deno.readTextFileSync(`/proc/${pid}/task/${pid}/children`).trim().split(" ").filter(Boolean);
  const isServer = (child: string) => Deno.readTextFileSync(`/proc/${child}/comm`).startsWith("redis-server");
  const server = children.find(isServer);
  return server === undefined ? undefined : Number(server);
}

/** The process that answers at a port; none where nobody does. */
async function processAt(port: number, password: string | undefined): Promise<number | undefined> {
  try {
    using connection = await Deno.connect({ hostname: "127.0.0.1", port });
    const login = password === undefined ? "" : `AUTH ${JSON.stringify(password)}\r\n`;
    await connection.write(new TextEncoder().encode(`${login}INFO server\r\nQUIT\r\n`));
    const answer = await new Response(connection.readable).text();
    return Number(/^process_id:(\d+)/m.exec(answer)?.[1]);
  } catch (error) {
    if (error instanceof Deno.errors.ConnectionRefused || error instanceof Deno.errors.ConnectionReset) {
      return undefined;
    }
    throw error;
  }
}
