import { assertEquals } from "@std/assert";
import { type BenchTokens, benchTokens } from "../bench/bench_tokens.ts";
import { startFunction } from "../deploy/start_function.ts";
import { startStandIn } from "../relay/stand_in_upstream.ts";
import { RawSocket } from "../support/raw_socket.ts";
import { openSocket, type TestSocket } from "../support/socket.ts";

/** The functions that are attacked. */
export const FUNCTIONS = ["echo", "chat", "relay"] as const;
export type FunctionName = (typeof FUNCTIONS)[number];

/** What `/health` says, as far as a test asks. */
export interface Health {
  readonly state: string;
  readonly connections: number;
  readonly processes: number;
  readonly rooms: number;
  readonly counters: { readonly refused: Readonly<Record<string, number>> };
}

/** A function under attack: a process of its own that runs what is deployed, with the limits that it has by default. */
export interface Target extends AsyncDisposable {
  readonly name: FunctionName;
  /** `127.0.0.1:PORT` */
  readonly host: string;
  readonly pid: number;
  readonly tokens: BenchTokens;
  /** Path and query by which user `n` connects; `query` goes to the chat alone. */
  path(n: number, query?: string): Promise<string>;
  connect(n: number, query?: string): Promise<TestSocket>;
  /** A client over TCP that has not said anything. */
  dial(): Promise<RawSocket>;
  /** A client over TCP, after its handshake. */
  connectRaw(n: number, query?: string): Promise<RawSocket>;
  /** The same, at a path and query of one's own. */
  openRaw(path: string): Promise<RawSocket>;
  health(): Promise<Health>;
  /** The most memory that the process has had since it was last asked (`VmHWM` of `/proc`), in bytes. */
  takePeakBytes(): Promise<number>;
  /** Fails where the function has ended, or has said more than a client may make it say, or a token. */
  assertUnmoved(): Promise<void>;
}

export interface TargetOptions {
  /** The version of Deno that runs it; default: the one that runs this. */
  readonly version?: string;
  /** More variables, of which each sets a limit that a test is not about. */
  readonly env?: Readonly<Record<string, string>>;
  /** Called for each connection that an attacker asks for, and waited for: so he may be held back. */
  readonly pace?: () => Promise<void> | undefined;
}

const ROOT = new URL("../../", import.meta.url);

/** Starts a function on a project whose tokens `tokens` signs; chat keeps its rooms in memory, relay pipes to an echo. */
export async function startTarget(name: FunctionName, options: TargetOptions = {}): Promise<Target> {
  await using stack = new AsyncDisposableStack();
  const upstream = stack.use(startStandIn());
  const tokens = await benchTokens();
  const env = {
    ...tokens.env,
    CHAT_STORE: "memory",
    CHAT_BUS: "memory",
    RELAY_UPSTREAMS: JSON.stringify({ up: { url: upstream.socketUrl } }),
    // The isolate outlives the attack: its end is another test's subject.
    ISOLATE_WALL_CLOCK_MS: "3600000",
    ...options.env,
  };
  const version = options.version ?? Deno.version.deno;
  const running = stack.use(await startFunction({ root: ROOT }, `functions/${name}/index.ts`, env, version));
  const { host, pid, printed } = running;
  const path: Target["path"] = async (n, query = "room=lobby") => {
    await options.pace?.();
    const jwt = await tokens.sign(n);
    if (name === "echo") return `/echo?plain&jwt=${jwt}`;
    return name === "relay" ? `/relay/up?jwt=${jwt}` : `/chat?${query}&jwt=${jwt}`;
  };
  const dial: Target["dial"] = async () => {
    await options.pace?.();
    return await RawSocket.connect(host);
  };
  const openRaw: Target["openRaw"] = async (path) => {
    const client = await dial();
    const { status } = await client.handshake({ path });
    if (status !== 101) throw new Error(`The handshake was answered with ${status}`);
    return client;
  };
  const health = async () => await (await fetch(`http://${host}/${name}/health`)).json();
  const owned = stack.move();
  return {
    name,
    host,
    pid,
    tokens,
    path,
    dial,
    health,
    connect: async (n, query) => await openSocket(`ws://${host}${await path(n, query)}`),
    openRaw,
    connectRaw: async (n, query) => await openRaw(await path(n, query)),
    async takePeakBytes() {
      const status = await Deno.readTextFile(`/proc/${pid}/status`);
      await Deno.writeTextFile(`/proc/${pid}/clear_refs`, "5"); // Begins the peak anew: proc(5).
      return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
    },
    async assertUnmoved() {
      assertEquals((await health()).state, "serving");
      assertEquals(printed.filter((line) => !isExpected(line)), []);
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Whether a function may say a line because of what a client does: at level info, and without a token. */
function isExpected(line: string): boolean {
  if (line.startsWith("listening on")) return true;
  return line.includes('"level":"info"') && !/eyJ[\w-]+\./.test(line);
}
