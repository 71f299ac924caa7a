import { dirname } from "node:path";
import { eventually } from "./eventually.ts";

/** A PostgreSQL server of a test's own. */
export interface TestPostgres {
  /** `postgresql://postgres@127.0.0.1:PORT/postgres`: a superuser, no password. */
  readonly url: string;
  /** Kills the server as a power cut would; its data stays. */
  crash(): Promise<void>;
  /** Starts it again on the same data and port, and waits until it takes connections. */
  restart(): Promise<void>;
  /** Ends the server and removes its data. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Starts a server on a free port with its data in a temporary folder. `initdb` is the path of that program, as
 * `requires("postgresql").path` gives it. As root it runs as the user `postgres`: PostgreSQL refuses root.
 */
export async function startPostgres(initdb: string): Promise<TestPostgres> {
  const programs = dirname(await Deno.realPath(initdb)); // It may be a link in another folder.
  const folder = await Deno.makeTempDir({ prefix: "postgres-" });
  const data = `${folder}/data`;
  const isRoot = Deno.uid() === 0;
  const as = (program: string, args: string[]): [string, string[]] =>
    isRoot ? ["runuser", ["-u", "postgres", "--", program, ...args]] : [program, args];

  if (isRoot) await run("chown", ["postgres", folder]);
  await run(...as(initdb, ["--pgdata", data, "--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-sync"]));
  const port = freePort();
  const [program, args] = as("sh", [
    ...["-c", END_WITH_INPUT, "sh", `${programs}/postgres`, "-D", data, "-p", String(port), "-h", "127.0.0.1"],
    ...["-k", folder, "-c", "fsync=off", "-c", "shared_buffers=32MB", "-c", "log_min_messages=fatal"],
  ]);
  const boot = async () => {
    const server = new Deno.Command(program, { args, stdin: "piped", stdout: "null", stderr: "null" }).spawn();
    const isReady = () => succeeds(`${programs}/pg_isready`, ["--host=127.0.0.1", `--port=${port}`]);
    try {
      await eventually("PostgreSQL takes connections", isReady, { deadlineMs: 30_000 });
    } catch (error) {
      await end(server);
      throw error;
    }
    return server;
  };
  const remove = () => Deno.remove(folder, { recursive: true });
  let server = await boot().catch(async (error) => {
    await remove();
    throw error;
  });
  return {
    url: `postgresql://postgres@127.0.0.1:${port}/postgres`,
    async crash() {
      // The first line of this file is the pid of the server, whose parent ends with it.
      const [pid] = (await Deno.readTextFile(`${data}/postmaster.pid`)).split("\n");
      Deno.kill(Number(pid), "SIGKILL");
      await end(server);
    },
    async restart() {
      server = await boot();
    },
    async [Symbol.asyncDispose]() {
      await end(server);
      await remove();
    },
  };
}

/** Ends a server by the end of its input; nothing happens where it has ended. */
async function end(server: Deno.ChildProcess): Promise<void> {
  await server.stdin.close().catch(() => {}); // Closed already, where it crashed before.
  await server.status;
}

/** Runs a command until its input ends, which it does too when the test process is killed: no server stays behind. */
const END_WITH_INPUT = '"$@" & cat >/dev/null; kill -INT $!; wait $!';

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

async function run(program: string, args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(program, { args, stdin: "null" }).output();
  if (!success) throw new Error(`Cannot run ${program}: ${new TextDecoder().decode(stderr)}`);
}

async function succeeds(program: string, args: string[]): Promise<boolean> {
  return (await new Deno.Command(program, { args, stdin: "null", stdout: "null", stderr: "null" }).output()).success;
}
