import type { BenchTokens } from "./bench_tokens.ts";
import { cpuUsedUs, readCpu } from "./cpu_clock.ts";
import { FrameSocket } from "./load/frame_socket.ts";
import { median } from "./median.ts";
import { startServer } from "./start_server.ts";
import { chat, echo, plainRoom, RAISED_LIMITS, type System, type SystemOptions } from "./systems.ts";
import type { Section } from "./table.ts";

const ROOT = new URL("../../", import.meta.url);

/** A function, and where its modules begin. */
interface Starter {
  readonly system: System;
  readonly entrypoint: URL;
  /** What its owner wants it to cost over the plain room. */
  readonly goalMs?: number;
  /** What connects to it must say before it is answered. */
  readonly says?: string;
}

interface Start {
  readonly listeningMs: number;
  readonly firstFrameMs: number;
  readonly waitedMs: number;
}

export interface ColdStartOptions extends SystemOptions {
  readonly tokens: BenchTokens;
  readonly rounds: number;
  readonly log: (line: string) => void;
}

/**
 * What an isolate spends before it serves: CPU of a new process until it listens, and until its first client has its first
 * frame, over that of the plain room. Compiled code is not kept between starts, as the platform keeps none.
 */
export async function benchColdStart({ tokens, rounds, deno, log }: ColdStartOptions): Promise<Section> {
  const options = { deno, flags: ["--no-code-cache"] };
  const starters: Starter[] = [
    { system: plainRoom(options), entrypoint: new URL("peers/plain_room.ts", import.meta.url) },
    { system: echo(tokens, options), entrypoint: new URL("functions/echo/index.ts", ROOT), goalMs: 10 },
    { system: relay(tokens, options), entrypoint: new URL("functions/relay/index.ts", ROOT), goalMs: 20 },
    {
      system: chat(tokens, { batch: false, ...options }),
      entrypoint: new URL("functions/chat/index.ts", ROOT),
      goalMs: 45,
    },
  ];
  const starts = starters.map(() => [] as Start[]);
  // The first round fills the disk's caches.
  for (let round = -1; round < rounds; round++) {
    for (const [index, { system }] of starters.entries()) {
      const start = await startOnce(system);
      if (round >= 0) starts[index]!.push(start);
    }
    log(`cold start: ${round < 0 ? "warm-up" : `round ${round + 1}`} of ${starters.length} starts`);
  }
  const rows = await Promise.all(starters.map(async ({ system, entrypoint, goalMs }, index) => {
    const { modules, kib } = await modulesOf(entrypoint);
    const over = (value: (start: Start) => number) =>
      median(starts[index]!.map((start, round) => value(start) - value(starts[0]![round]!))).toFixed(1);
    return [
      system.name,
      String(modules),
      kib.toFixed(0),
      over(({ listeningMs }) => listeningMs),
      over(({ firstFrameMs }) => firstFrameMs),
      goalMs === undefined ? "" : String(goalMs),
      median(starts[index]!.map(({ waitedMs }) => waitedMs)).toFixed(0),
    ];
  }));
  const columns = [
    "function",
    "modules",
    "KiB",
    "CPU ms until it listens",
    "CPU ms until the first frame",
    "goal",
    "ms until the first frame",
  ];
  return { name: "cold-start", columns, rows };
}

/** The relay, whose first frame is what comes back from an upstream: here the server is asked how it is instead. */
function relay(tokens: BenchTokens, { deno, flags }: SystemOptions): System {
  const env = { ...tokens.env, ...RAISED_LIMITS, RELAY_UPSTREAMS: '{"none":{"url":"ws://127.0.0.1:9"}}' };
  return {
    name: "relay",
    dialect: { frames: "plain", echoesSender: true },
    start: () => startServer({ entrypoint: new URL("functions/relay/index.ts", ROOT), env, deno, flags }),
    // A socket that is refused hears so in a frame, once its token has been checked.
    url: async ({ host }) => `ws://${host}/relay/nowhere?jwt=${await tokens.sign(0)}`,
  };
}

async function startOnce(system: System): Promise<Start> {
  const startedAt = performance.now();
  await using server = await system.start();
  const nothing = { threads: new Map(), ticks: 0 };
  const listening = cpuUsedUs(nothing, await readCpu(server.pid));
  const url = await system.url(server, "cold", 0);
  const socket = await FrameSocket.open(url);
  // The plain room says nothing by itself, so it is the handshake there.
  if (system.name !== "plain room") await firstFrame(socket);
  const waitedMs = performance.now() - startedAt;
  const served = cpuUsedUs(nothing, await readCpu(server.pid));
  socket.close();
  return { listeningMs: listening / 1000, firstFrameMs: served / 1000, waitedMs };
}

function firstFrame(socket: FrameSocket): Promise<void> {
  const heard = Promise.withResolvers<void>();
  // A close says as much as a frame does: the server has answered.
  const ended = socket.readFrames(() => heard.resolve()).catch(() => {});
  return Promise.race([heard.promise, ended]);
}

/** The modules that a function loads when it starts, type-only ones left out, and their size as source. */
async function modulesOf(entrypoint: URL): Promise<{ modules: number; kib: number }> {
  const command = new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", "--config", new URL("deno.json", ROOT).pathname, entrypoint.href],
    env: { NO_COLOR: "1" },
  });
  const graph: Graph = JSON.parse(new TextDecoder().decode((await command.output()).stdout));
  const bySpecifier = new Map(graph.modules.map((module) => [module.specifier, module]));
  const seen = new Set<string>();
  const packages = new Set<string>();
  const visit = (specifier: string) => {
    const found = bySpecifier.get(graph.redirects?.[specifier] ?? specifier);
    if (found === undefined || seen.has(found.specifier)) return;
    seen.add(found.specifier);
    if (found.npmPackage !== undefined) packages.add(found.specifier);
    for (const { code, isDynamic } of found.dependencies ?? []) {
      if (code?.specifier !== undefined && isDynamic !== true) visit(code.specifier);
    }
  };
  visit(entrypoint.href);
  const bytes = [...seen].reduce((sum, specifier) => sum + (bySpecifier.get(specifier)?.size ?? 0), 0);
  return { modules: seen.size, kib: bytes / 1024 };
}

/** What `deno info --json` says, as far as it is read here. */
interface Graph {
  readonly redirects?: Readonly<Record<string, string>>;
  readonly modules: readonly {
    readonly specifier: string;
    readonly size?: number;
    readonly npmPackage?: string;
    readonly dependencies?: readonly { readonly code?: { readonly specifier: string }; readonly isDynamic?: boolean }[];
  }[];
}
