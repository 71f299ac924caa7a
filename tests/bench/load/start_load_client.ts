import { linesOf } from "../../support/lines_of.ts";
import { within } from "../../support/within.ts";
import type {
  ConnectCommand,
  JoinCommand,
  LeaveCommand,
  LoadClientAnswer,
  LoadClientCommand,
  LoadCommand,
  LoadResult,
  OpenTripsCommand,
  TripsCommand,
  TripsResult,
} from "./protocol.ts";

/** The load client, in a process of its own so that its work is not the server's nor the bench's. */
export interface LoadClient extends AsyncDisposable {
  join(command: Omit<JoinCommand, "do">): Promise<void>;
  load(command: Omit<LoadCommand, "do">): Promise<LoadResult>;
  leave(command: Omit<LeaveCommand, "do">): Promise<void>;
  connect(command: Omit<ConnectCommand, "do">): Promise<void>;
  openTrips(command: Omit<OpenTripsCommand, "do">): Promise<void>;
  trips(command: Omit<TripsCommand, "do">): Promise<TripsResult>;
}

/** What a command may take beside the load itself. */
const COMMAND_DEADLINE_MS = 90_000;

/** Starts a load client. Its methods are called one after the other, and reject with what went wrong over there. */
export function startLoadClient(): LoadClient {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--allow-net=127.0.0.1", "--no-check", new URL("load_client.ts", import.meta.url).href],
    cwd: new URL("../../../", import.meta.url),
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const input = child.stdin.getWriter();
  const answers = linesOf(child.stdout).getReader();

  async function ask(command: LoadClientCommand, deadlineMs = COMMAND_DEADLINE_MS): Promise<unknown> {
    await input.write(new TextEncoder().encode(JSON.stringify(command) + "\n"));
    const { value } = await within(`the load client has done "${command.do}"`, answers.read(), deadlineMs);
    if (value === undefined) throw new Error(`The load client ended during "${command.do}"`);
    const answer = JSON.parse(value) as LoadClientAnswer;
    if (!answer.ok) throw new Error(answer.error);
    return answer.result;
  }

  return {
    join: async (command) => void await ask({ do: "join", ...command }),
    load: async (command) =>
      await ask({ do: "load", ...command }, command.durationMs + COMMAND_DEADLINE_MS) as LoadResult,
    leave: async (command) => void await ask({ do: "leave", ...command }),
    connect: async (command) => void await ask({ do: "connect", ...command }),
    openTrips: async (command) => void await ask({ do: "openTrips", ...command }),
    trips: async (command) =>
      await ask({ do: "trips", ...command }, command.durationMs + COMMAND_DEADLINE_MS) as TripsResult,
    async [Symbol.asyncDispose]() {
      await input.close().catch(() => {}); // It may have ended by itself, and its pipe with it.
      child.kill("SIGTERM");
      await child.status;
      await answers.cancel();
    },
  };
}
