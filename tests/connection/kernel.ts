import { type ServeOptions, serveSockets, type SocketHandler } from "../../shared/connection/mod.ts";
import { Isolate } from "../../shared/isolate/isolate.ts";
import { Log } from "../../shared/telemetry/log.ts";
import { EXIT, type ExitNotice, type Inbox, type Pid, Processes } from "../../shared/process/mod.ts";
import { eventually } from "../support/eventually.ts";
import { RawSocket } from "../support/raw_socket.ts";
import { serve, type Served } from "../support/serve.ts";
import { openSocket, type SocketOpening, type TestSocket } from "../support/socket.ts";
import { within } from "../support/within.ts";

/** What a process was sent. */
export interface Heard {
  readonly topic: string;
  // A test knows the payload of the topic that it waits for.
  // deno-lint-ignore no-explicit-any
  readonly payload: any;
}

/** A process that keeps what it hears, for a connection to be bound to. */
export interface Target {
  readonly pid: Pid;
  /** All that it has heard so far, in order. */
  readonly heard: readonly Heard[];
  /** The payload of the next message with this topic that no call has given yet; those with other topics stay. */
  // deno-lint-ignore no-explicit-any
  next(topic: string): Promise<any>;
}

/** What a kernel's handlers and tests work with. */
export interface Kernel extends Served {
  readonly processes: Processes;
  readonly isolate: Isolate;
  /** Where `beforeunload` is dispatched. */
  readonly events: EventTarget;
  /** The promises given to `waitUntil`, and how many of them have settled. */
  readonly held: { promises: Promise<unknown>[]; settled: number };
  /** What handlers threw, and with what processes crashed. */
  readonly errors: unknown[];
  /** What it logged. */
  readonly lines: readonly Record<string, unknown>[];
  spawnTarget(): Target;
  connect(path?: string, opening?: SocketOpening): Promise<TestSocket>;
  /** A client over TCP, after its handshake. */
  connectRaw(path?: string): Promise<RawSocket>;
  // deno-lint-ignore no-explicit-any
  health(): Promise<any>;
  /** Waits until no connection is left: not in the server, not as a process, not in `waitUntil`. */
  idle(processes?: number): Promise<void>;
}

/** Sockets served by `handler` on an isolate of a test's own. */
export function startKernel(
  handler: (kernel: Kernel, ...args: Parameters<SocketHandler>) => ReturnType<SocketHandler>,
  options: ServeOptions & { isolateOptions?: ConstructorParameters<typeof Isolate>[0] } = {},
): Kernel {
  const errors: unknown[] = [];
  const lines: Record<string, unknown>[] = [];
  const events = new EventTarget();
  const held: Kernel["held"] = { promises: [], settled: 0 };
  const processes = new Processes({ isolateId: "test", onCrash: (_pid, error) => errors.push(error) });
  const waitUntil = (promise: Promise<unknown>) => {
    held.promises.push(promise);
    promise.then(() => held.settled++);
  };
  const { isolateOptions, ...serveOptions } = options;
  // So old an isolate never gets by itself: one that drains has to be told.
  const isolate = new Isolate({ id: processes.isolateId, wallClockMs: 1e9, events, waitUntil, ...isolateOptions });
  const answer = serveSockets((request, context) => handler(kernel, request, context), {
    onError: (error) => errors.push(error),
    log: new Log({ write: (_level, line) => lines.push(JSON.parse(line)) }),
    ...serveOptions,
    processes,
    isolate,
  });
  const served = serve(answer);
  const health = async () => await (await fetch(`${served.url}/health`)).json();
  const kernel: Kernel = {
    ...served,
    processes,
    isolate,
    events,
    held,
    errors,
    lines,
    health,
    spawnTarget: () => spawnTarget(processes),
    connect: (path = "/", opening) => openSocket(served.socketUrl + path, opening),
    async connectRaw(path = "/") {
      const client = await RawSocket.connect(served.host);
      const { status } = await client.handshake({ path });
      if (status !== 101) throw new Error(`The handshake was answered with ${status}`);
      return client;
    },
    idle: async (running = 0) => {
      await eventually("no connection is left", async () => {
        const { connections } = await health();
        return connections === 0 && processes.count === running && held.settled === held.promises.length;
      });
    },
    async [Symbol.asyncDispose]() {
      isolate.dispose();
      await served[Symbol.asyncDispose]();
    },
  };
  return kernel;
}

function spawnTarget(processes: Processes): Target {
  const heard: Heard[] = [];
  const waiting: Heard[] = [];
  let wake = Promise.withResolvers<void>();
  const pid = processes.spawn(async (inbox: Inbox) => {
    for await (const message of inbox) {
      heard.push(message);
      waiting.push(message);
      wake.resolve();
      wake = Promise.withResolvers();
    }
  });
  const take = async (topic: string) => {
    for (;;) {
      const index = waiting.findIndex((message) => message.topic === topic);
      if (index >= 0) return waiting.splice(index, 1)[0]!.payload;
      await wake.promise;
    }
  };
  return { pid, heard, next: (topic) => within(`a process hears ${topic}`, take(topic)) };
}

/** A process that keeps the ends it hears of. */
export function spawnWatcher(processes: Processes): { pid: Pid; next(): Promise<ExitNotice> } {
  const { pid, next } = spawnTarget(processes);
  return { pid, next: () => next(EXIT) };
}

/** A behaviour that sends each frame back. */
export function echoing(processes: Processes) {
  return {
    "ws.message": ({ client_pid, type, data }: { client_pid: Pid; type: string; data: unknown }) => {
      processes.send(client_pid, "ws.send", { type, data });
    },
  };
}
