import type { ServerProcess } from "../support/start_server_process.ts";
import { FrameSocket } from "./load/frame_socket.ts";
import { median } from "./median.ts";
import type { System } from "./systems.ts";
import type { Section } from "./table.ts";

export interface MemoryOptions {
  /** The first is the one that the others are compared with. */
  readonly systems: readonly System[];
  readonly rounds: number;
  readonly log: (line: string) => void;
}

const WARM_UP = 200;
const CONNECTIONS = 4_800;
/** Members of a room: each of them is a user of his own, who is present and can resume. */
const ROOM_SIZE = 50;
const PARALLEL = 20;
/** What is left over from the handshakes is collected in a while. */
const SETTLE_MS = 5_000;

/** Memory that idle connections hold: resident, all of the process, since most of what a socket holds is not on the heap. */
export async function benchMemory({ systems, rounds, log }: MemoryOptions): Promise<Section> {
  const measured = systems.map(() => [] as { each: number; whole: number }[]);
  for (let round = 0; round < rounds; round++) {
    for (const [index, system] of systems.entries()) {
      const result = await measure(system);
      measured[index]!.push(result);
      log(`memory, round ${round + 1}: ${system.name} ${(result.each / 1024).toFixed(1)} KiB a connection`);
    }
  }
  const rows = systems.map((system, index) => {
    const of = (value: (result: { each: number; whole: number }) => number) => median(measured[index]!.map(value));
    const ratio = median(measured[index]!.map(({ each }, round) => each / measured[0]![round]!.each));
    return [
      system.name,
      (of(({ each }) => each) / 1024).toFixed(1),
      ratio.toFixed(2),
      (of(({ whole }) => whole) / 2 ** 20).toFixed(0),
    ];
  });
  return { name: "memory", columns: ["system", "KiB a connection", "ratio", "MiB with 5,000"], rows };
}

async function measure(system: System): Promise<{ each: number; whole: number }> {
  await using server = await system.start();
  const sockets: FrameSocket[] = [];
  try {
    await open(system, server, sockets, WARM_UP);
    const before = await residentBytes(server.pid);
    await open(system, server, sockets, CONNECTIONS);
    const whole = await residentBytes(server.pid);
    return { each: (whole - before) / CONNECTIONS, whole };
  } finally {
    for (const socket of sockets) socket.close();
  }
}

async function open(system: System, server: ServerProcess, sockets: FrameSocket[], count: number): Promise<void> {
  const numbers = Array.from({ length: count }, (_, n) => sockets.length + n).values();
  await Promise.all(Array.from({ length: PARALLEL }, async () => {
    for (const n of numbers) {
      const socket = await FrameSocket.open(await system.url(server, `room-${Math.floor(n / ROOM_SIZE)}`, n));
      sockets.push(socket);
      socket.readFrames(() => {}).catch(() => {}); // Its end is that of the server.
    }
  }));
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
}

async function residentBytes(pid: number): Promise<number> {
  const status = await Deno.readTextFile(`/proc/${pid}/status`);
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
}
