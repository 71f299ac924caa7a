import { modulesAtStart } from "../support/modules_at_start.ts";
import type { BenchTokens } from "./bench_tokens.ts";
import { type CompileTimes, leastCompileMs, readCompileTimes } from "./compile_times.ts";
import { cpuUsedUs, readCpu } from "./cpu_clock.ts";
import { FrameSocket } from "./load/frame_socket.ts";
import { median } from "./median.ts";
import { startServer } from "./start_server.ts";
import { RAISED_LIMITS } from "./systems.ts";
import type { Section } from "./table.ts";

const ROOT = new URL("../../", import.meta.url);
const CONFIG = new URL("deno.json", ROOT).pathname;

/** A function as it is started. */
interface Starter {
  readonly name: string;
  readonly entrypoint: URL;
  readonly env: Readonly<Record<string, string>>;
  /** What its client connects to; the plain room says nothing by itself, so that its handshake is its first frame. */
  readonly path: string;
  readonly greets: boolean;
  /** The CPU that it may cost over the plain room. */
  readonly goalMs?: number;
}

interface Start {
  readonly listeningMs: number;
  readonly firstFrameMs: number;
  readonly waitedMs: number;
}

/** Where all starts of a Deno find what is the same for them. */
interface Home {
  readonly deno: string;
  /** The path of a configuration that says nothing. */
  readonly config: string;
  /**
   * What it keeps between starts, away from other versions': each throws away the other's analysis of modules, and reads
   * all source again, with a parser of its own that the platform does not have.
   */
  readonly cache: string;
}

/** A Deno that functions are started on. */
export interface DenoProgram {
  readonly version: string;
  readonly path: string;
}

export interface ColdStartOptions {
  readonly denos: readonly DenoProgram[];
  readonly tokens: BenchTokens;
  readonly rounds: number;
  readonly log: (line: string) => void;
}

/**
 * What an isolate spends before it serves: CPU of a new process until it listens, and until its first client has its first
 * frame, over that of the plain room, started the same way; and what of it V8 takes to parse and to compile.
 *
 * It is made as like a start on the platform as the command line can be. There an eszip is made at deploy time: types are
 * stripped, imports resolved and source maps put aside (eszip's `from_graph`), and a module is read when it is imported
 * (edge-runtime's `module_loader/standalone.rs`), from memory, with no cache of compiled code. So each function is bundled
 * here, what it loads later in files of its own, which the command line does not see before; it keeps its analysis of the
 * modules, and no compiled code. Comments, which stay in an eszip, and the loading of modules one by one are missing.
 */
export async function benchColdStart({ denos, tokens, rounds, log }: ColdStartOptions): Promise<Section> {
  const folder = await Deno.makeTempDir({ prefix: "cold-start-" });
  try {
    const starters = await startersOf(tokens);
    // A bundle needs no import map, and reading the project's would be counted.
    const config = `${folder}/deno.json`;
    await Deno.writeTextFile(config, "{}");
    const bundles = await Promise.all(starters.map((starter) => bundle(starter, `${folder}/${starter.name}`)));
    const series = denos.flatMap((deno) => {
      const home: Home = { deno: deno.path, config, cache: `${folder}/cache-${deno.version}` };
      return starters.map((starter, index) => {
        const [starts, compileTimes]: [Start[], CompileTimes[]] = [[], []];
        return { deno, home, starter, bundle: bundles[index]!, starts, compileTimes };
      });
    });
    // The first round fills the disk's caches.
    for (let round = -1; round < rounds; round++) {
      for (const { home, starter, bundle, starts, compileTimes } of series) {
        const start = await startOnce(starter, bundle.entrypoint, home);
        if (round < 0) continue;
        starts.push(start);
        // V8's log costs a start more than it tells of: another one.
        const log = `${folder}/v8.log`;
        await startOnce(starter, bundle.entrypoint, home, [
          `--v8-flags=--log-function-events,--logfile=${log},--no-logfile-per-isolate`,
        ]);
        compileTimes.push(readCompileTimes(await Deno.readTextFile(log)));
        await Deno.remove(log);
      }
      log(`cold start: ${round < 0 ? "warm-up" : `round ${round + 1}`} of ${series.length} starts`);
    }
    const rows = series.map(({ deno, starter: { name, goalMs }, bundle, starts, compileTimes }) => {
      // What else the machine does only adds to a start: the least of the rounds is nearest to what it costs by itself.
      const least = (of: readonly Start[], value: (start: Start) => number) => Math.min(...of.map(value));
      const plain = series.find((each) => each.deno === deno)!;
      const over = (value: (start: Start) => number) => (least(starts, value) - least(plain.starts, value)).toFixed(1);
      return [
        name,
        deno.version,
        String(bundle.modules),
        (bundle.bytes / 1024).toFixed(0),
        over(({ listeningMs }) => listeningMs),
        over(({ firstFrameMs }) => firstFrameMs),
        (leastCompileMs(compileTimes) - leastCompileMs(plain.compileTimes)).toFixed(1),
        goalMs === undefined ? "" : String(goalMs),
        median(starts.map(({ waitedMs }) => waitedMs)).toFixed(0),
      ];
    });
    return { name: "cold-start", columns: COLUMNS, rows };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const COLUMNS = [
  "function",
  "Deno",
  "modules",
  "KiB",
  "CPU ms until it listens",
  "CPU ms until the first frame",
  "ms of it in V8's compiler",
  "goal",
  "ms until the first frame",
];

async function startersOf(tokens: BenchTokens): Promise<Starter[]> {
  const env = { ...tokens.env, ...RAISED_LIMITS, CHAT_STORE: "memory", RELAY_UPSTREAMS: "{}" };
  const jwt = await tokens.sign(0);
  const ours = (name: string, path: string, goalMs: number): Starter => ({
    name,
    entrypoint: new URL(`functions/${name}/index.ts`, ROOT),
    env,
    path: `${path}jwt=${jwt}`,
    greets: true,
    goalMs,
  });
  return [
    {
      name: "plain room",
      entrypoint: new URL("peers/plain_room.ts", import.meta.url),
      env: {},
      path: "/?room=cold",
      greets: false,
    },
    ours("echo", "/echo?", 10),
    // An upstream that is not there is refused by a frame, once the token has been checked.
    ours("relay", "/relay/nowhere?", 20),
    ours("chat", "/chat?room=cold&", 45),
  ];
}

interface Bundle {
  readonly entrypoint: URL;
  /** Source files that are loaded at start, type-only ones left out. */
  readonly modules: number;
  /** What is loaded at start, minified no further than the platform does. */
  readonly bytes: number;
}

/** Bundles a function, what it loads when it is first needed in files of its own. */
async function bundle({ entrypoint }: Starter, folder: string): Promise<Bundle> {
  // What is not used here is left out, as the platform would not touch it either: with a package in CommonJS the bundler
  // loads Node's modules at start.
  const packages = ["--external=ioredis", "--external=@supabase/supabase-js"];
  const options = ["--quiet", "--no-lock", "--config", CONFIG, "--platform=deno", "--code-splitting", ...packages];
  const args = ["bundle", ...options, `--outdir=${folder}`, entrypoint.href];
  const { success, stderr } = await new Deno.Command(Deno.execPath(), { args, stdin: "null" }).output();
  if (!success) throw new Error(`Cannot bundle ${entrypoint}: ${new TextDecoder().decode(stderr)}`);
  for await (const { name } of Deno.readDir(folder)) await hideLaterImports(`${folder}/${name}`);
  const main = entrypoint.pathname.split("/").at(-1)!.replace(/\.ts$/, ".js");
  return {
    entrypoint: new URL(`file://${folder}/${main}`),
    modules: (await modulesAtStart(entrypoint)).size,
    bytes: bytesLoaded(folder, main),
  };
}

/**
 * Rewrites imports that come later so that the command line finds them when they run: it would read all that is behind
 * a literal before the first line runs, twice what `relay` needs.
 */
async function hideLaterImports(path: string): Promise<void> {
  const text = await Deno.readTextFile(path);
  await Deno.writeTextFile(path, text.replaceAll(/\bimport\(("[^"]+")\)/g, "import([$1][0])"));
}

/** The size of a file of a bundle and of those that it imports at start. */
function bytesLoaded(folder: string, main: string, loaded = new Set<string>()): number {
  if (loaded.has(main)) return 0;
  loaded.add(main);
  const text = Deno.readTextFileSync(`${folder}/${main}`);
  const imports = [...text.matchAll(/^(?:import|export)\b[^;]*?"\.\/([\w.-]+\.js)";/gm)];
  return imports.reduce((sum, [, file]) => sum + bytesLoaded(folder, file!, loaded), text.length);
}

async function startOnce(
  { path, env, greets }: Starter,
  entrypoint: URL,
  { deno, config, cache }: Home,
  flags: readonly string[] = [],
): Promise<Start> {
  const startedAt = performance.now();
  await using server = await startServer({
    entrypoint,
    env: { ...env, DENO_DIR: cache },
    deno,
    config,
    flags: ["--no-code-cache", ...flags],
  });
  const nothing = { threads: new Map(), ticks: 0 };
  const listening = cpuUsedUs(nothing, await readCpu(server.pid));
  const socket = await FrameSocket.open(`ws://${server.host}${path}`);
  if (greets) await firstFrame(socket);
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
