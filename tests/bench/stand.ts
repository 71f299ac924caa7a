import { cpuUsedUs, readCpu } from "./cpu_clock.ts";
import type { LoadResult } from "./load/protocol.ts";
import { type LoadClient, startLoadClient } from "./load/start_load_client.ts";
import type { ServerProcess } from "../support/start_server_process.ts";
import type { System } from "./systems.ts";

/** A system that is up, with a room full of connections to it and a load client of its own. */
export interface Stand {
  readonly system: System;
  readonly server: ServerProcess;
  readonly client: LoadClient;
  readonly rounds: Round[];
}

/** What a load came to, and what it cost the server. */
export interface Round extends LoadResult {
  readonly cpuUs: number;
}

/** What is sent into the room. */
export interface Load {
  readonly durationMs: number;
  /** Messages a second from all senders together; saturated where left out. */
  readonly perSecond?: number;
}

/** How many of a room's members send. */
export const SENDERS = 5;
/** The text of each message. */
export const MESSAGE_BYTES = 200;
/** Messages of each sender under way when saturated: enough that the server never waits for the client. */
export const IN_FLIGHT = 20;

const ROOM = "bench";

/** Starts a system, fills a room and runs a first load that does not count. All of it ends with `stack`. */
export async function openStand(
  stack: AsyncDisposableStack,
  system: System,
  members: number,
  first: Load,
): Promise<Stand> {
  const [server, client] = [stack.use(await system.start()), stack.use(startLoadClient())];
  const urls = await Promise.all(Array.from({ length: members }, (_, n) => system.url(server, ROOM, n)));
  await client.join({ room: ROOM, urls, senders: SENDERS, dialect: system.dialect });
  const stand = { system, server, client, rounds: [] };
  await warmUp(stand, first);
  return stand;
}

/** Runs a load that does not count. */
export async function warmUp({ client }: Stand, load: Load): Promise<void> {
  await client.load({ room: ROOM, messageBytes: MESSAGE_BYTES, inFlight: IN_FLIGHT, ...load });
}

/** Runs one more round on a stand, and gives it. */
export async function runRound({ server, client, rounds }: Stand, load: Load): Promise<Round> {
  const before = await readCpu(server.pid);
  const result = await client.load({ room: ROOM, messageBytes: MESSAGE_BYTES, inFlight: IN_FLIGHT, ...load });
  const round = { ...result, cpuUs: cpuUsedUs(before, await readCpu(server.pid)) };
  rounds.push(round);
  return round;
}

/** The stands in their order, begun by another one each round, so that none always follows the same other. */
export function inTurn<T>(stands: readonly T[], round: number): T[] {
  const from = round % stands.length;
  return [...stands.slice(from), ...stands.slice(0, from)];
}
