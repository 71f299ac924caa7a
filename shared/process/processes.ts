import { log } from "../telemetry/log.ts";
import { added, allOf, type Few, removed } from "./few.ts";
import { Mailbox } from "./mailbox.ts";
import {
  type Behaviour,
  ENDED,
  EXIT,
  type ExitNotice,
  type ExitReason,
  type Handlers,
  type InboxFunction,
  type InFlight,
  NORMAL,
  type Pid,
  type ProcessMessage,
  type Recipient,
  type Returned,
  type Self,
  type SendResult,
  type SpawnOptions,
} from "./process.ts";

/** What the processes of an isolate are given. */
export interface ProcessesOptions {
  /** The first part of every pid: unique over all isolates. Default: random. */
  isolateId?: string;
  /** Hears of every crash; default: one line of the log. */
  onCrash?: (pid: Pid, error: unknown) => void;
}

/** The way to the processes of other isolates: see `connectProcesses`. */
export interface RemoteLink {
  /** Resolves once messages of other isolates arrive at this one. */
  reachable(): Promise<void>;
  /** At most once. */
  send(to: Pid, topic: string, payload: unknown): void;
  /** Tells `watcher` of the end. */
  monitor(watcher: Pid, pid: Pid): void;
  /** Ends what `monitor` began. */
  demonitor(watcher: Pid, pid: Pid): void;
}

const NO_OPTIONS: SpawnOptions = {};

/**
 * The processes of one isolate. Sending to an idle process is a function call; to a busy one, a place in its mailbox,
 * so every process handles its messages one at a time in the order in which they were sent. A crash ends the process
 * with a reason and nothing else.
 */
export class Processes {
  /** The first part of every pid. */
  readonly isolateId: string;
  readonly #onCrash: (pid: Pid, error: unknown) => void;
  /** By pid and by registered name: one look-up finds either. */
  readonly #running = new Map<string, Running>();
  #spawned = 0;
  #count = 0;
  #remote: RemoteLink | undefined;

  /** Begins with none. */
  constructor(options: ProcessesOptions = {}) {
    this.isolateId = options.isolateId ?? newIsolateId();
    if (!/^[A-Za-z0-9_-]{1,64}$/.test(this.isolateId)) {
      throw new RangeError(
        `Cannot make processes as 'isolateId' must be 1 to 64 letters, digits, '_' or '-': current value is "${this.isolateId}"`,
      );
    }
    this.#onCrash = options.onCrash ?? logCrash;
  }

  /** How many processes run. */
  get count(): number {
    return this.#count;
  }

  /** Makes pids of other isolates reachable over `remote`; without it there is no process behind them. */
  connect(remote: RemoteLink | undefined): void {
    this.#remote = remote;
  }

  /**
   * Waits until messages of other isolates arrive at the processes of this one, for whoever gives a pid away or sends to
   * another isolate for an answer: what is sent before is lost. Gives false where that takes longer than `withinMs`
   * (default 2,000), as the bus is out of reach. There is nothing to wait for where no isolates are connected.
   */
  async reachable(withinMs = 2_000): Promise<boolean> {
    if (this.#remote === undefined) return true;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<false>((resolve) => timer = setTimeout(() => resolve(false), withinMs));
    const isReachable = await Promise.race([this.#remote.reachable().then(() => true), late]);
    clearTimeout(timer);
    return isReachable;
  }

  /** Starts a process and gives its pid. An inbox function begins at once, up to its first `await`. */
  spawn(behaviour: Behaviour, options: SpawnOptions = NO_OPTIONS): Pid {
    const pid = [this.isolateId, ++this.#spawned].join("."); // In one piece: put together by `+` it is three for ever.
    const running = new Running(pid, behaviour, options, this.#owner);
    this.#running.set(pid, running);
    this.#count++;
    if (options.name !== undefined) {
      try {
        this.register(options.name, pid);
      } catch (error) {
        running.end("killed");
        throw error;
      }
    }
    running.start();
    return pid;
  }

  /**
   * Sends a message to a pid or a registered name. Never throws, whatever the receiver does with it.
   * `bytes` counts against the receiver's mailbox, and `inFlight` is charged, for as long as the message waits. A
   * message to another isolate goes at most once, and `ok` says only that it went.
   */
  send(to: Pid, topic: string, payload: unknown, bytes = 0, inFlight?: InFlight): SendResult {
    const running = this.#running.get(to);
    return running === undefined ? this.#sendAway(to, topic, payload) : running.send(topic, payload, bytes, inFlight);
  }

  /** The process behind a pid or a registered name, for one who sends to it often; anywhere, or nowhere. */
  recipient(to: Pid): Recipient {
    return this.#running.get(to) ?? { pid: to, send: (topic, payload) => this.#sendAway(to, topic, payload) };
  }

  /**
   * Sends a message that must not be dropped: it waits even in a full mailbox. For what comes once in the life of a
   * process or a connection, as its end does; anything else could fill the memory.
   */
  notify(to: Pid, topic: string, payload: unknown): SendResult {
    const running = this.#running.get(to);
    return running === undefined
      ? this.#sendAway(to, topic, payload)
      : running.send(topic, payload, 0, undefined, true);
  }

  /** Takes back, in order, the messages that wait in a mailbox and that `inFlight` is charged for. */
  takeBack(from: Pid, inFlight: InFlight): Returned[] {
    return this.#running.get(from)?.takeBack(inFlight) ?? [];
  }

  /** Tells `watcher` of the end of `pid` as topic `EXIT`; at once, with reason `noprocess`, where there is none. */
  monitor(watcher: Pid, pid: Pid): void {
    const [watching, watched] = [this.#running.get(watcher), this.#running.get(pid)];
    if (watching === undefined) return;
    if (this.#isElsewhere(pid)) this.#remote?.monitor(watcher, pid);
    else if (watched === undefined) {
      watching.send(EXIT, { pid, reason: "noprocess" } satisfies ExitNotice, 0, undefined, true);
    } else watching.watch(watched);
  }

  /** Ends what `monitor` began. */
  demonitor(watcher: Pid, pid: Pid): void {
    const watched = this.#running.get(pid);
    if (watched !== undefined) this.#running.get(watcher)?.unwatch(watched);
    else if (this.#isElsewhere(pid)) this.#remote?.demonitor(watcher, pid);
  }

  /** Makes two processes end together, with the same reason, whatever it is. */
  link(a: Pid, b: Pid): void {
    const [runningA, runningB] = [this.#running.get(a), this.#running.get(b)];
    if (runningA === undefined) return runningB?.end("noprocess");
    if (runningB === undefined) return runningA.end("noprocess");
    runningA.linkTo(runningB);
    runningB.linkTo(runningA);
  }

  /** Ends a process. Nothing happens where there is none. */
  exit(pid: Pid, reason: ExitReason = NORMAL): void {
    this.#running.get(pid)?.end(reason);
  }

  /** Makes `pid` reachable under `name`. Throws where the name is taken or could be a pid. */
  register(name: string, pid: Pid): void {
    const running = this.#running.get(pid);
    if (running === undefined) throw new Error(`Cannot register "${name}" as there is no process ${pid}`);
    if (name === "" || name.includes(".")) {
      throw new RangeError(`Cannot register "${name}" as a name must not be empty nor hold a '.', which pids have`);
    }
    if (this.#running.has(name)) throw new Error(`Cannot register "${name}" as another process has this name`);
    running.named(name);
    this.#running.set(name, running);
  }

  /** The pid behind a registered name. */
  whereis(name: string): Pid | undefined {
    return this.#running.get(name)?.pid;
  }

  /** Whether a process with this pid or name runs. */
  isAlive(pid: Pid): boolean {
    return this.#running.has(pid);
  }

  /** A crash must not reach who sent the message, not even by way of who hears of crashes. */
  #crashed(pid: Pid, error: unknown): void {
    try {
      this.#onCrash(pid, error);
    } catch (failure) {
      logCrash(pid, failure);
    }
  }

  #sendAway(to: Pid, topic: string, payload: unknown): SendResult {
    if (!this.#isElsewhere(to)) return "noprocess";
    this.#remote?.send(to, topic, payload);
    return "ok";
  }

  /** Whether a pid is another isolate's, and that can be reached. */
  #isElsewhere(pid: Pid): boolean {
    return this.#remote !== undefined && pid.includes(".") && !pid.startsWith(`${this.isolateId}.`);
  }

  readonly #owner: Owner = {
    monitor: (watcher, pid) => this.monitor(watcher, pid),
    demonitor: (watcher, pid) => this.demonitor(watcher, pid),
    link: (a, b) => this.link(a, b),
    register: (name, pid) => this.register(name, pid),
    crashed: (pid, error) => this.#crashed(pid, error),
    ended: (pid, names) => {
      this.#count--;
      this.#running.delete(pid);
      for (const name of names) this.#running.delete(name);
    },
  };
}

/** What a running process needs of the table it stands in. */
interface Owner {
  monitor(watcher: Pid, pid: Pid): void;
  demonitor(watcher: Pid, pid: Pid): void;
  link(a: Pid, b: Pid): void;
  register(name: string, pid: Pid): void;
  crashed(pid: Pid, error: unknown): void;
  ended(pid: Pid, names: Iterable<string>): void;
}

/** A behaviour that hears of its end. */
interface Ending {
  readonly [ENDED]?: (reason: ExitReason) => void;
}

/** One process: its behaviour, its mailbox, and who must hear of its end. */
class Running implements Self, Recipient {
  #watchers: Few<Running>;
  #watching: Few<Running>;
  #linked: Few<Running>;
  #names: Set<string> | undefined;
  /** Made by the first message that has to wait. */
  #mailbox: Mailbox | undefined;
  readonly #options: SpawnOptions;
  readonly #owner: Owner;
  readonly #handlers: Handlers | undefined;
  readonly #inboxFunction: InboxFunction | undefined;
  #busy = false;
  #ended = false;
  /** Wakes the inbox function that waits for a message. */
  #wake: (() => void) | undefined;

  constructor(readonly pid: Pid, behaviour: Behaviour, options: SpawnOptions, owner: Owner) {
    this.#owner = owner;
    this.#options = options;
    if (typeof behaviour === "function") this.#inboxFunction = behaviour as InboxFunction;
    else this.#handlers = behaviour as Handlers;
  }

  start(): void {
    if (this.#inboxFunction === undefined) return;
    // Started inside a promise's executor, so that a function that throws before its first await is caught as well.
    new Promise<void>((resolve) => resolve(this.#inboxFunction!(this.#inbox(), this)))
      .then(() => this.end(NORMAL), (error) => this.#crash(error));
  }

  send(topic: string, payload: unknown, bytes = 0, inFlight?: InFlight, mustArrive = false): SendResult {
    if (this.#ended) return "noprocess";
    if (this.#busy || this.#handlers === undefined) return this.#keep(topic, payload, bytes, inFlight, mustArrive);
    this.#busy = true;
    const pending = this.#handle(topic, payload);
    if (pending !== undefined) this.#drainAfter(pending);
    else if (this.#mailbox === undefined || this.#mailbox.isEmpty) this.#busy = false;
    else this.#drain();
    return "ok";
  }

  takeBack(inFlight: InFlight): Returned[] {
    return this.#mailbox?.takeBack(inFlight) ?? [];
  }

  monitor(pid: Pid): void {
    this.#owner.monitor(this.pid, pid);
  }

  demonitor(pid: Pid): void {
    this.#owner.demonitor(this.pid, pid);
  }

  link(pid: Pid): void {
    this.#owner.link(this.pid, pid);
  }

  register(name: string): void {
    this.#owner.register(name, this.pid);
  }

  exit(reason: ExitReason = NORMAL): void {
    this.end(reason);
  }

  end(reason: ExitReason): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#mailbox?.clear();
    this.#owner.ended(this.pid, this.#names ?? []);
    this.#wake?.();
    try {
      this.#options.onExit?.(reason);
      (this.#handlers as Ending | undefined)?.[ENDED]?.(reason);
    } catch (error) {
      this.#owner.crashed(this.pid, error);
    }
    for (const watched of allOf(this.#watching)) watched.#watchers = removed(watched.#watchers, this);
    const notice: ExitNotice = { pid: this.pid, reason };
    for (const watcher of allOf(this.#watchers)) {
      watcher.#watching = removed(watcher.#watching, this);
      watcher.send(EXIT, notice, 0, undefined, true);
    }
    for (const other of allOf(this.#linked)) {
      other.#linked = removed(other.#linked, this);
      other.end(reason);
    }
  }

  watch(watched: Running): void {
    watched.#watchers = added(watched.#watchers, this);
    this.#watching = added(this.#watching, watched);
  }

  unwatch(watched: Running): void {
    watched.#watchers = removed(watched.#watchers, this);
    this.#watching = removed(this.#watching, watched);
  }

  linkTo(other: Running): void {
    this.#linked = added(this.#linked, other);
  }

  named(name: string): void {
    (this.#names ??= new Set()).add(name);
  }

  #keep(
    topic: string,
    payload: unknown,
    bytes: number,
    inFlight: InFlight | undefined,
    mustArrive: boolean,
  ): SendResult {
    const { maxMailboxMessages = 10_000, maxMailboxBytes = 16 * 1024 * 1024 } = this.#options;
    const mailbox = this.#mailbox ??= new Mailbox(maxMailboxMessages, maxMailboxBytes);
    if (mustArrive) mailbox.putAnyway(topic, payload, bytes, inFlight);
    else if (!mailbox.put(topic, payload, bytes, inFlight)) return "mailbox_full";
    this.#wake?.();
    return "ok";
  }

  #crash(error: unknown): void {
    if (this.#ended) return;
    this.#owner.crashed(this.pid, error);
    this.end(`crashed: ${error instanceof Error ? error.name : typeof error}`);
  }

  /** Runs the handler of `topic`; gives a promise where it has to be waited for. */
  #handle(topic: string, payload: unknown): Promise<unknown> | undefined {
    const handler = this.#handlers![topic];
    // A topic comes from outside: "constructor" and its like must not find what every object inherits.
    if (typeof handler !== "function" || topic in Object.prototype) return undefined;
    try {
      const result = handler.call(this.#handlers, payload, this);
      return result instanceof Promise ? result : undefined;
    } catch (error) {
      this.#crash(error);
      return undefined;
    }
  }

  #drainAfter(pending: Promise<unknown>): void {
    pending.then(() => this.#drain(), (error) => this.#crash(error));
  }

  #drain(): void {
    while (!this.#ended) {
      const message = this.#mailbox?.take();
      if (message === undefined) break;
      const pending = this.#handle(message.topic, message.payload);
      if (pending !== undefined) return this.#drainAfter(pending);
    }
    this.#busy = false;
  }

  async *#inbox(): AsyncGenerator<ProcessMessage> {
    while (!this.#ended) {
      const message = this.#mailbox?.take();
      if (message !== undefined) yield message;
      else await this.#nextMessage();
    }
  }

  #nextMessage(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#wake = undefined;
        resolve();
      };
    });
  }
}

function newIsolateId(): string {
  return crypto.randomUUID().replaceAll("-", "").slice(0, 16);
}

function logCrash(pid: Pid, error: unknown): void {
  log.error("process.crashed", { pid, error });
}
