import { cpuUsedUs, readCpu } from "./cpu_clock.ts";
import { startLoadClient } from "./load/start_load_client.ts";
import { median } from "./median.ts";
import type { ServerProcess } from "../support/start_server_process.ts";
import type { System } from "./systems.ts";
import type { Section } from "./table.ts";

export interface ConnectingOptions {
  /** The first is the one that the others are compared with. */
  readonly systems: readonly System[];
  readonly rounds: number;
  readonly log: (line: string) => void;
}

const CONNECTIONS = 200;
const PARALLEL = 4;
/** Rounds before those that count: the first connections of an isolate cost ten times the later ones. */
const WARM_UP_ROUNDS = 3;

/**
 * CPU of the server per connection that is accepted, greeted and closed, each in a room of its own: first all with new tokens, then again
 * with those that are known by then. A system without tokens takes both alike.
 */
export async function benchConnecting({ systems, rounds, log }: ConnectingOptions): Promise<Section> {
  await using stack = new AsyncDisposableStack();
  const client = stack.use(startLoadClient());
  const stands: { system: System; server: ServerProcess; cpuUs: { fresh: number[]; known: number[] } }[] = [];
  for (const system of systems) {
    stands.push({ system, server: stack.use(await system.start()), cpuUs: { fresh: [], known: [] } });
  }
  for (let round = -WARM_UP_ROUNDS; round < rounds; round++) {
    for (const { system, server, cpuUs } of stands) {
      const numbers = Array.from({ length: CONNECTIONS }, (_, n) => n);
      const urls = await Promise.all(numbers.map((n) => system.url(server, `room-${n}`, n)));
      for (const token of ["fresh", "known"] as const) {
        const before = await readCpu(server.pid);
        await client.connect({ urls, parallel: PARALLEL, firstFrame: system.dialect.frames === "chat" });
        if (round >= 0) cpuUs[token].push(cpuUsedUs(before, await readCpu(server.pid)) / CONNECTIONS);
      }
    }
    log(
      `connecting: ${round < 0 ? "warm-up" : `round ${round + 1}`} of ${systems.length * 2 * CONNECTIONS} connections`,
    );
  }
  const [base] = stands;
  const ratio = (cpuUs: readonly number[], token: "fresh" | "known") =>
    median(cpuUs.map((us, index) => us / base!.cpuUs[token][index]!)).toFixed(2);
  const rows = stands.map(({ system, cpuUs: { fresh, known } }) => [
    system.name,
    median(fresh).toFixed(0),
    ratio(fresh, "fresh"),
    median(known).toFixed(0),
    ratio(known, "known"),
  ]);
  return { name: "connecting", columns: ["system", "us, new token", "ratio", "us, known token", "ratio"], rows };
}
