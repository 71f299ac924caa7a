import { benchTokens } from "./bench_tokens.ts";
import { cpuUsedUs, readCpu } from "./cpu_clock.ts";
import { FrameSocket } from "./load/frame_socket.ts";
import { startLoadClient } from "./load/start_load_client.ts";
import { median } from "./median.ts";
import { openStand, type Round, runRound } from "./stand.ts";
import type { ServerProcess } from "../support/start_server_process.ts";
import { startServer } from "./start_server.ts";
import { RAISED_LIMITS, type System } from "./systems.ts";
import type { Section } from "./table.ts";

export interface GrowthOptions {
  /** The chat. */
  readonly system: System;
  /** The Deno of the relay; default: the one that runs this. */
  readonly deno?: string;
  readonly rounds: number;
  readonly seconds: number;
  readonly log: (line: string) => void;
}

const STEPS = [1, 4, 16] as const;
/** What is there once; the steps are so many times that. */
const MEMBERS = 25;
const ROOMS = 100;
const MESSAGES = 1_000;
const CONNECTIONS = 100;
/** Members of a room that others come to. */
const PRESENT = 100;
const JOINS = 25;
/** Connections that frames are relayed on, and the round trips a second of all together. */
const RELAYED = 10;
const TRIPS_PER_SECOND = 2_000;
/** What a client's coming has others told is sent a while after. */
const TOLD_AFTER_MS = 500;
/** How far behind the end of the log a client is that comes back. */
const MISSED = 50;

/** What one delivery, connection, join, resume and relayed frame cost where there is one, four and sixteen times as much around. */
export async function benchGrowth({ system, deno, rounds, seconds, log }: GrowthOptions): Promise<Section> {
  const curves: [string, (step: number) => Promise<number[]>][] = [
    [`a delivery, in a room of ${MEMBERS} members`, (step) => deliveries(system, MEMBERS * step, rounds, seconds)],
    [`a connection, beside ${ROOMS} rooms`, (step) => connections(system, ROOMS * step, rounds)],
    [`a join, all told, of a room of ${PRESENT} members`, (step) => joins(system, PRESENT * step, rounds)],
    [
      `a frame of 4 KB relayed, on ${RELAYED} connections`,
      (step) => relayedFrames(RELAYED * step, rounds, seconds, deno),
    ],
    [
      `a resume, ${MISSED} behind a log of ${MESSAGES.toLocaleString("en")}`,
      (step) => resumes(system, MESSAGES * step, rounds),
    ],
  ];
  const rows: string[][] = [];
  for (const [name, measure] of curves) {
    const us: number[] = [];
    for (const step of STEPS) us.push(median(await measure(step)));
    log(`growth: ${name}`);
    rows.push([name, ...us.map((each) => each.toFixed(1)), (us[2]! / us[0]!).toFixed(2)]);
  }
  return { name: "growth", columns: ["CPU us of", "1x", "4x", "16x", "16x to 1x"], rows };
}

async function deliveries(system: System, members: number, rounds: number, seconds: number): Promise<number[]> {
  await using stack = new AsyncDisposableStack();
  const stand = await openStand(stack, system, members, { durationMs: 1_000 });
  const results: Round[] = [];
  for (let round = 0; round < rounds; round++) results.push(await runRound(stand, { durationMs: seconds * 1000 }));
  return results.map(({ cpuUs, deliveries }) => cpuUs / deliveries);
}

async function connections(system: System, rooms: number, rounds: number): Promise<number[]> {
  await using server = await system.start();
  using _others = await openAll(
    await Promise.all(Array.from({ length: rooms }, (_, n) => system.url(server, `room-${n}`, n))),
  );
  return await costOfConnecting(server, rounds, (n) => system.url(server, `new-${n}`, rooms + n));
}

/** Each by someone who has not been there, until all members have been told of him. */
async function joins(system: System, members: number, rounds: number): Promise<number[]> {
  await using server = await system.start();
  await using others = startLoadClient();
  const urls = (from: number, count: number) =>
    Promise.all(Array.from({ length: count }, (_, n) => system.url(server, "full", from + n)));
  await others.join({ room: "full", urls: await urls(0, members), senders: 1, dialect: system.dialect });
  await using client = startLoadClient();
  const us: number[] = [];
  for (let round = -1; round < rounds; round++) {
    const coming = await urls(members + (1 + round) * JOINS, JOINS);
    const before = await readCpu(server.pid);
    await client.connect({ urls: coming, parallel: 4, firstFrame: true });
    await new Promise((resolve) => setTimeout(resolve, TOLD_AFTER_MS));
    if (round >= 0) us.push(cpuUsedUs(before, await readCpu(server.pid)) / JOINS);
  }
  return us;
}

async function relayedFrames(count: number, rounds: number, seconds: number, deno?: string): Promise<number[]> {
  const tokens = await benchTokens();
  await using upstream = await startServer({ entrypoint: new URL("peers/trips_upstream.ts", import.meta.url), deno });
  const upstreams = { binary: { url: `ws://${upstream.host}/binary` } };
  await using relay = await startServer({
    entrypoint: new URL("../../functions/relay/index.ts", import.meta.url),
    deno,
    env: { ...tokens.env, ...RAISED_LIMITS, RELAY_UPSTREAMS: JSON.stringify(upstreams) },
  });
  await using client = startLoadClient();
  const url = async (n: number) => `ws://${relay.host}/relay/binary?jwt=${await tokens.sign(n)}`;
  const urls = await Promise.all(Array.from({ length: count }, (_, n) => url(n)));
  await client.openTrips({ name: "relayed", urls, trip: { request: 4_096, answerBytes: 4_096 } });
  const us: number[] = [];
  for (let round = -1; round < rounds; round++) {
    const before = await readCpu(relay.pid);
    const pace = { durationMs: seconds * 1000, perSecond: TRIPS_PER_SECOND };
    const { trips } = await client.trips({ name: "relayed", ...pace });
    // Each trip is a frame there and one back.
    if (round >= 0) us.push(cpuUsedUs(before, await readCpu(relay.pid)) / trips / 2);
  }
  return us;
}

async function resumes(system: System, messages: number, rounds: number): Promise<number[]> {
  await using server = await system.start();
  using writers = await openAll([await system.url(server, "long", 0)]);
  const [writer] = writers.sockets;
  const stored = Promise.withResolvers<void>();
  let acknowledged = 0;
  writers.onFrame = (text) => {
    if (text.startsWith('{"type":"ack"') && ++acknowledged === messages) stored.resolve();
  };
  for (let n = 0; n < messages; n++) {
    writer!.send(JSON.stringify({ type: "chat", body: `message ${n}` }));
    if (n % 100 === 99) await new Promise((resolve) => setTimeout(resolve, 10));
  }
  await stored.promise;
  return await costOfConnecting(
    server,
    rounds,
    async (n) => `${await system.url(server, "long", 1 + n)}&since=${messages - MISSED}`,
  );
}

/** Connects and leaves, `CONNECTIONS` times a round, after one round that does not count. */
async function costOfConnecting(
  server: ServerProcess,
  rounds: number,
  url: (n: number) => Promise<string>,
): Promise<number[]> {
  await using client = startLoadClient();
  const urls = await Promise.all(Array.from({ length: CONNECTIONS }, (_, n) => url(n)));
  const us: number[] = [];
  for (let round = -1; round < rounds; round++) {
    const before = await readCpu(server.pid);
    await client.connect({ urls, parallel: 4, firstFrame: true });
    if (round >= 0) us.push(cpuUsedUs(before, await readCpu(server.pid)) / CONNECTIONS);
  }
  return us;
}

interface OpenSockets extends Disposable {
  readonly sockets: FrameSocket[];
  onFrame: (text: string) => void;
}

async function openAll(urls: readonly string[]): Promise<OpenSockets> {
  const decoder = new TextDecoder();
  const open: OpenSockets = {
    sockets: [],
    onFrame: () => {},
    [Symbol.dispose]: () => open.sockets.forEach((socket) => socket.close()),
  };
  for (const url of urls) {
    const socket = await FrameSocket.open(url);
    open.sockets.push(socket);
    socket.readFrames((buffer, start, end) => open.onFrame(decoder.decode(buffer.subarray(start, end)))).catch(
      () => {},
    );
  }
  return open;
}
