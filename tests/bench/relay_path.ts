import type { BenchTokens } from "./bench_tokens.ts";
import { cpuUsedUs, readCpu } from "./cpu_clock.ts";
import type { Trip, TripsResult } from "./load/protocol.ts";
import { type LoadClient, startLoadClient } from "./load/start_load_client.ts";
import { median } from "./median.ts";
import { inTurn } from "./stand.ts";
import type { ServerProcess } from "../support/start_server_process.ts";
import { startServer } from "./start_server.ts";
import { RAISED_LIMITS } from "./systems.ts";
import type { Section } from "./table.ts";

export interface RelayPathOptions {
  readonly tokens: BenchTokens;
  readonly rounds: number;
  readonly seconds: number;
  readonly deno?: string;
  readonly log: (line: string) => void;
}

const CONNECTIONS = 10;
/** Round trips a second: a process that mostly sleeps and wakes, and one that mostly works. */
const PER_SECOND = [1_000, 6_000];
const WARM_UP_MS = 2_000;
const KEY = "sk-bench";
/** The relay's cost by frame: one goes there, one comes back. */
const FRAMES_PER_TRIP = 2;

/** A way to the upstream; `server` is what its CPU is counted of. */
interface Way {
  readonly name: string;
  readonly server: ServerProcess | undefined;
  readonly client: LoadClient;
  rounds: Round[];
}

type Round = TripsResult & { readonly cpuUs: number };

/** Frames of a session, and of an upstream that is not OpenAI. */
const TRIPS: readonly { readonly name: string; readonly isOpenAi: boolean; readonly trip: Trip }[] = [
  { name: "1 KB text", isOpenAi: true, trip: { request: itemEvent(1_000), answerBytes: textDeltaBytes() } },
  { name: "20 KB audio delta", isOpenAi: true, trip: { request: appendEvent(1_000), answerBytes: audioDeltaBytes() } },
  { name: "4 KB binary", isOpenAi: false, trip: { request: 4_096, answerBytes: 4_096 } },
];

/**
 * What a relay adds to a round trip, and what a frame costs it: our relay as it is deployed, with OpenAI's policy and
 * metering on, beside the naive pipe of two sockets, over a direct connection, all at 1,000 and at 6,000 round trips a
 * second on 10 connections.
 */
export async function benchRelayPath(options: RelayPathOptions): Promise<Section> {
  const rows: string[][] = [];
  for (const { name, isOpenAi, trip } of TRIPS) {
    await using stack = new AsyncDisposableStack();
    const ways = await openWays(stack, isOpenAi, trip, options);
    for (const perSecond of PER_SECOND) {
      for (const way of ways) way.rounds = [];
      for (let round = 0; round < options.rounds; round++) {
        for (const way of inTurn(ways, round)) {
          const result = await runRound(way, { durationMs: options.seconds * 1000, perSecond });
          options.log(
            `relay: ${name}, ${perSecond} trips/s, round ${round + 1}: ${way.name} p50 ${result.p50Us.toFixed(0)} us, ${
              cpu(result).toFixed(1)
            } us a frame`,
          );
        }
      }
      const [direct, naive, ours] = ways;
      for (const way of [naive!, ours!]) {
        rows.push([name, perSecond.toLocaleString("en"), ...figuresOf(way, direct!, naive!)]);
      }
    }
  }
  return { name: "relay", columns: COLUMNS, rows };
}

const COLUMNS = [
  "frame",
  "trips/s",
  "relay",
  "added p50 us",
  "ratio",
  "added p99 us",
  "ratio",
  "CPU us/frame",
  "ratio",
  "lowest–highest",
];

function figuresOf(way: Way, direct: Way, naive: Way): string[] {
  const added = (way: Way, key: "p50Us" | "p99Us") => way.rounds.map((round, i) => round[key] - direct.rounds[i]![key]);
  const ratios = (own: readonly number[], others: readonly number[]) => own.map((value, i) => value / others[i]!);
  const latency = (key: "p50Us" | "p99Us") => {
    const own = added(way, key);
    return [median(own).toFixed(0), median(ratios(own, added(naive, key))).toFixed(2)];
  };
  const cpuRatios = ratios(way.rounds.map(cpu), naive.rounds.map(cpu));
  return [
    way.name,
    ...latency("p50Us"),
    ...latency("p99Us"),
    median(way.rounds.map(cpu)).toFixed(1),
    median(cpuRatios).toFixed(2),
    `${Math.min(...cpuRatios).toFixed(2)}–${Math.max(...cpuRatios).toFixed(2)}`,
  ];
}

function cpu({ cpuUs, trips }: Round): number {
  return cpuUs / trips / FRAMES_PER_TRIP;
}

async function openWays(
  stack: AsyncDisposableStack,
  isOpenAi: boolean,
  trip: Trip,
  { tokens, deno }: RelayPathOptions,
): Promise<Way[]> {
  const upstream = stack.use(await startServer({ entrypoint: peer("trips_upstream.ts"), deno }));
  const url = `ws://${upstream.host}/${isOpenAi ? "v1/realtime" : "binary"}`;
  const protocols = isOpenAi ? `realtime,openai-insecure-api-key.${KEY}` : "";
  const naive = stack.use(
    await startServer({
      entrypoint: peer("naive_pipe.ts"),
      deno,
      env: { UPSTREAM: url, ...protocols && { PROTOCOLS: protocols } },
    }),
  );
  const ours = stack.use(
    await startServer({
      entrypoint: new URL("../../functions/relay/index.ts", import.meta.url),
      deno,
      env: {
        ...tokens.env,
        ...RAISED_LIMITS,
        ...isOpenAi
          ? { OPENAI_API_KEY: KEY, OPENAI_REALTIME_URL: url, OPENAI_REALTIME_POLICY: POLICY }
          : { RELAY_UPSTREAMS: JSON.stringify({ binary: { url } }) },
      },
    }),
  );
  const name = isOpenAi ? "openai" : "binary";
  const token = await tokens.sign(1);
  return [
    await openWay(stack, "direct", undefined, url, trip),
    await openWay(stack, "naive pipe", naive, `ws://${naive.host}/`, trip),
    await openWay(stack, "ours", ours, `ws://${ours.host}/relay/${name}?jwt=${token}`, trip),
  ];
}

async function openWay(
  stack: AsyncDisposableStack,
  name: string,
  server: ServerProcess | undefined,
  url: string,
  trip: Trip,
): Promise<Way> {
  const client = stack.use(startLoadClient());
  await client.openTrips({ name, urls: Array.from({ length: CONNECTIONS }, () => url), trip });
  await client.trips({ name, durationMs: WARM_UP_MS, perSecond: PER_SECOND[0]! });
  return { name, server, client, rounds: [] };
}

async function runRound(
  { name, server, client, rounds }: Way,
  pace: { readonly durationMs: number; readonly perSecond: number },
): Promise<Round> {
  const before = server && await readCpu(server.pid);
  const result = await client.trips({ name, ...pace });
  const cpuUs = before ? cpuUsedUs(before, await readCpu(server!.pid)) : 0;
  const round = { ...result, cpuUs };
  rounds.push(round);
  return round;
}

/** What a deployment sets: each event is held against it. */
const POLICY = JSON.stringify({ locked: { instructions: "Be brief." } });

function itemEvent(bytes: number): string {
  const event = (text: string) =>
    JSON.stringify({
      type: "conversation.item.create",
      item: { type: "message", role: "user", content: [{ type: "input_text", text }] },
    });
  return event("x".repeat(bytes - event("").length));
}

function appendEvent(bytes: number): string {
  const event = (audio: string) => JSON.stringify({ type: "input_audio_buffer.append", audio });
  return event("AAAA".repeat((bytes - event("").length) >> 2));
}

/** The lengths of the answers of `peers/trips_upstream.ts`. */
function audioDeltaBytes(): number {
  return deltaBytes("response.output_audio.delta", 20_000);
}

function textDeltaBytes(): number {
  return deltaBytes("response.output_text.delta", 800);
}

function deltaBytes(type: string, length: number): number {
  const place = { response_id: "resp_1", item_id: "item_1", output_index: 0, content_index: 0 };
  return JSON.stringify({ type, event_id: "event_1", ...place, delta: "" }).length + length;
}

function peer(name: string): URL {
  return new URL(`peers/${name}`, import.meta.url);
}
