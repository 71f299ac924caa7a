import { dirname } from "node:path";
import { withFreePort } from "./free_port.ts";
import { startTiedProgram, type TiedProgram } from "./start_tied_program.ts";

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
 * `requires("postgresql").path` gives it; `settings` are parameters of the server, `NAME=VALUE`. As root it runs as the user
 * `postgres`: PostgreSQL refuses root.
 */
export async function startPostgres(initdb: string, settings: readonly string[] = []): Promise<TestPostgres> {
  const programs = dirname(await Deno.realPath(initdb)); // It may be a link in another folder.
  const folder = await Deno.makeTempDir({ prefix: "postgres-" });
  const data = `${folder}/data`;
  const user = Deno.uid() === 0 ? "postgres" : undefined;
  const remove = () => Deno.remove(folder, { recursive: true });
  const boot = (port: number) =>
    startTiedProgram({
      command: [
        ...[`${programs}/postgres`, "-D", data, "-p", String(port), "-h", "127.0.0.1", "-k", folder],
        ...["fsync=off", "shared_buffers=32MB", "log_min_messages=fatal", ...settings].flatMap((set) => ["-c", set]),
      ],
      signal: "INT",
      user,
      // By its socket in the folder, which no other server has. It ends at once where it cannot listen at the port.
      isReady: () => succeeds(`${programs}/pg_isready`, [`--host=${folder}`, `--port=${port}`]),
      deadlineMs: 60_000,
    });
  let server: TiedProgram;
  let port: number;
  try {
    if (user !== undefined) await run("chown", [user, folder]);
    const initialize = ["--pgdata", data, "--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-sync"];
    const [program = "", ...args] = [
      ...(user === undefined ? [] : ["runuser", "-u", user, "--"]),
      initdb,
      ...initialize,
    ];
    await run(program, args);
    [port, server] = await withFreePort(async (port) => [port, await boot(port)] as const);
  } catch (error) {
    await remove();
    throw error;
  }
  return {
    url: `postgresql://postgres@127.0.0.1:${port}/postgres`,
    async crash() {
      // The first line of this file is the pid of the server, whose parent ends with it.
      const [pid] = (await Deno.readTextFile(`${data}/postmaster.pid`)).split("\n");
      Deno.kill(Number(pid), "SIGKILL");
      await server.end();
    },
    async restart() {
      server = await boot(port);
    },
    async [Symbol.asyncDispose]() {
      await server.end();
      await remove();
    },
  };
}

async function run(program: string, args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(program, { args, stdin: "null" }).output();
  if (!success) throw new Error(`Cannot run ${program}: ${new TextDecoder().decode(stderr)}`);
}

async function succeeds(program: string, args: string[]): Promise<boolean> {
  return (await new Deno.Command(program, { args, stdin: "null", stdout: "null", stderr: "null" }).output()).success;
}
