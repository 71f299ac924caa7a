import { fileURLToPath } from "node:url";
import { TextLineStream } from "@std/streams/text-line-stream";
import type { ClientConnection } from "./client_connection.ts";
import { cpuTimeMs } from "./cpu_time.ts";
import { type FromIsolate, MESSAGE_MARK, type ToIsolate, type UnloadReason } from "./isolate_messages.ts";
import type { EndReason, IsolateState } from "./isolate_state.ts";
import type { FunctionConfig } from "./read_config.ts";

/** Limits of an isolate's life. */
export interface IsolateLimits {
  /** From boot to kill, in ms. */
  wallClockMs: number;
  /** CPU time over its whole life, in ms. Not set: no limit. */
  cpuLimitMs?: number;
}

/** Options of an isolate. */
export interface IsolateOptions extends IsolateLimits {
  function: FunctionConfig;
  /** The `deno` binary that runs it. */
  deno: string;
  /** All of its environment. */
  env: Record<string, string>;
  /** Told each line that the function writes to its console. */
  onOutput: (line: string) => void;
}

const RETIRE_AT = 0.5;
const UNLOAD_AT = 0.9;
const BOOT_TIMEOUT_MS = 60_000;
const CPU_POLL_MS = 25;
/** How long a `beforeunload` handler may run in an isolate that is about to be dropped. */
const UNLOAD_TIMEOUT_MS = 1_000;

/** The function could not be loaded, or never called `Deno.serve`. */
export class BootError extends Error {
  override name = "BootError";
}

/**
 * One isolate: a child process that runs one function under the platform's rules. At half of its wall clock it is
 * retired, and dropped then or later as soon as nothing is pending; at 90 % of wall clock or CPU it is told
 * (`beforeunload`); at 100 % it is killed, and its clients see their connection break.
 */
export class Isolate {
  readonly id: string;
  readonly pid: number;
  /** Settles when the isolate takes requests. @throws {BootError} */
  readonly booted: Promise<void>;
  /** Settles when it takes no more requests: retired, or gone. */
  readonly retired: Promise<void>;
  /** Settles when the process is gone. */
  readonly ended: Promise<EndReason>;
  /** The sockets of clients that it holds; kept by whoever joins them to it. */
  readonly connections = new Set<ClientConnection>();

  readonly #options: IsolateOptions;
  readonly #process: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #booted = Promise.withResolvers<void>();
  readonly #retired = Promise.withResolvers<void>();
  readonly #unloaded = Promise.withResolvers<void>();
  readonly #timers = new Set<ReturnType<typeof setTimeout>>();
  #state: IsolateState = "booting";
  #startedAt = performance.now();
  #port = 0;
  #requests = 0;
  #pending: number | undefined;
  #unloadReason: UnloadReason = "early_drop";
  #endReason: EndReason = "crashed";
  #bootError = "The process ended before the function called Deno.serve";

  /** Starts the process. */
  constructor(options: IsolateOptions) {
    this.#options = options;
    this.id = crypto.randomUUID();
    this.#process = startProcess(options, this.id);
    this.pid = this.#process.pid;
    this.#input = this.#process.stdin.getWriter();
    this.booted = this.#booted.promise;
    this.retired = this.#retired.promise;
    this.booted.catch(() => {}); // Whoever waits for a request has the error; nobody may be waiting.
    this.ended = this.#run();
    this.#after(BOOT_TIMEOUT_MS, () => this.#bootTimedOut());
  }

  /** The name of its function. */
  get function(): string {
    return this.#options.function.name;
  }

  get state(): IsolateState {
    return this.#state;
  }

  /** Time since it began to load the function, in ms. */
  get ageMs(): number {
    return performance.now() - this.#startedAt;
  }

  /** From boot to kill, in ms. */
  get wallClockMs(): number {
    return this.#options.wallClockMs;
  }

  /** The port of the loopback interface it listens on, once it has booted. */
  get port(): number {
    return this.#port;
  }

  /** Counts a request that it works on; the answer ends the count. 101 counts as an answer. */
  beginRequest(): () => void {
    this.#requests++;
    let isOpen = true;
    return () => {
      if (!isOpen) return;
      isOpen = false;
      this.#requests--;
      this.#dropIfIdle();
    };
  }

  /** Ends it as a deployment of new code does: no more requests, `beforeunload`, and 10 % of the wall clock to go. */
  terminate(): void {
    if (this.#state === "gone") return;
    this.#retire("termination");
    this.#unload("termination");
    this.#after(this.#options.wallClockMs * (1 - UNLOAD_AT), () => this.kill("termination"));
  }

  /** Ends it at once. */
  kill(reason: EndReason = "closed"): void {
    if (this.#state === "gone") return;
    this.#endReason = reason;
    try {
      this.#process.kill("SIGKILL");
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // It has ended by itself in this very moment.
    }
  }

  /** Reads until the process is gone. */
  async #run(): Promise<EndReason> {
    await Promise.all([this.#readOutput(), this.#readErrors(), this.#process.status]);
    const wasBooting = this.#state === "booting";
    if (wasBooting && this.#endReason === "crashed") this.#endReason = "boot_failed";
    this.#state = "gone";
    for (const timer of this.#timers) clearTimeout(timer);
    this.#booted.reject(new BootError(this.#bootError));
    this.#retired.resolve();
    this.#unloaded.resolve();
    await this.#input.close().catch(() => {}); // The reader is gone, which is what closing is for.
    return this.#endReason;
  }

  async #readOutput(): Promise<void> {
    for await (const line of lines(this.#process.stdout)) {
      if (line.startsWith(MESSAGE_MARK)) this.#hear(JSON.parse(line.slice(MESSAGE_MARK.length)) as FromIsolate);
      else this.#options.onOutput(line);
    }
  }

  async #readErrors(): Promise<void> {
    for await (const line of lines(this.#process.stderr)) this.#options.onOutput(line);
  }

  #hear(message: FromIsolate): void {
    if (message.type === "booting") return this.#startClocks();
    if (message.type === "serving") return this.#serve(message.port);
    if (message.type === "unloaded") return this.#unloaded.resolve();
    if (message.type === "boot_failed") {
      this.#bootError = message.message;
      return;
    }
    this.#pending = message.count;
    this.#dropIfIdle();
  }

  #startClocks(): void {
    const { wallClockMs, cpuLimitMs } = this.#options;
    this.#startedAt = performance.now();
    this.#after(wallClockMs * RETIRE_AT, () => this.#retire("early_drop"));
    this.#after(wallClockMs * UNLOAD_AT, () => this.#unload("wall_clock"));
    this.#after(wallClockMs, () => this.kill("wall_clock"));
    if (cpuLimitMs !== undefined) this.#watchCpu(cpuLimitMs);
  }

  #serve(port: number): void {
    if (this.#state !== "booting") return;
    this.#port = port;
    this.#state = "serving";
    this.#booted.resolve();
  }

  #retire(reason: UnloadReason): void {
    if (this.#state === "retired" || this.#state === "gone") return;
    this.#state = "retired";
    this.#unloadReason = reason;
    this.#retired.resolve();
    this.#tell({ type: "retire" });
  }

  #unload(reason: UnloadReason): void {
    this.#unloadReason = reason;
    this.#tell({ type: "beforeunload", reason });
  }

  /** Drops it once it is retired, answers no request and has nothing pending: open sockets do not count. */
  async #dropIfIdle(): Promise<void> {
    if (this.#state !== "retired" || this.#requests > 0 || this.#pending !== 0) return;
    if (this.#unloadReason === "early_drop") this.#unload("early_drop");
    await Promise.race([this.#unloaded.promise, this.#delay(UNLOAD_TIMEOUT_MS)]);
    this.kill(this.#unloadReason);
  }

  async #watchCpu(limitMs: number): Promise<void> {
    const atBoot = await cpuTimeMs(this.pid) ?? 0;
    let isWarned = false;
    while (this.#state !== "gone") {
      const used = (await cpuTimeMs(this.pid) ?? 0) - atBoot;
      if (used >= limitMs) return this.kill("cpu");
      if (used >= limitMs * UNLOAD_AT && !isWarned) {
        isWarned = true;
        this.#retire("cpu");
        this.#unload("cpu");
      }
      await this.#delay(CPU_POLL_MS);
    }
  }

  #bootTimedOut(): void {
    if (this.#state !== "booting") return;
    this.#bootError = `The function did not call Deno.serve within ${BOOT_TIMEOUT_MS / 1000} s`;
    this.kill("boot_failed");
  }

  #tell(message: ToIsolate): void {
    const line = new TextEncoder().encode(`${JSON.stringify(message)}\n`);
    this.#input.write(line).catch(() => {}); // It is gone: nobody is left to tell.
  }

  #delay(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#after(ms, resolve);
      this.#process.status.then(() => resolve());
    });
  }

  #after(ms: number, task: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      task();
    }, ms);
    this.#timers.add(timer);
  }
}

/** An isolate reads what is there and reaches the network; it starts no process and writes to the temporary folder only. */
const PERMISSIONS = ["--allow-net", "--allow-env", "--allow-read", "--allow-sys", "--no-prompt"];

function startProcess(options: IsolateOptions, id: string): Deno.ChildProcess {
  const { deno, env, function: { entrypoint, importMap } } = options;
  const config = importMap ? [`--config=${fileURLToPath(importMap)}`] : ["--no-config"];
  const bootstrap = fileURLToPath(new URL("./isolate_main.ts", import.meta.url));
  return new Deno.Command(deno, {
    args: ["run", "--quiet", "--no-lock", ...config, ...PERMISSIONS, "--allow-write=/tmp", bootstrap, entrypoint.href],
    env: { ...env, SB_EXECUTION_ID: id, DENO_NO_UPDATE_CHECK: "1", NO_COLOR: "1" },
    clearEnv: true,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

function lines(stream: ReadableStream<Uint8Array>): ReadableStream<string> {
  return stream.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream());
}
