import { decodePayload, encodePayload } from "./remote_payload.ts";
import { EXIT, type ExitNotice, type Pid } from "./process.ts";
import type { Processes, RemoteLink } from "./processes.ts";

/** What isolates reach each other over: a bus, as far as this needs it. */
export interface IsolateBus {
  /** Sends a text to all who listen, at most once. */
  publish(topic: string, text: string): void;
  /** Hears texts, from when it calls `onReady`; gives the function that ends it. */
  subscribe(topic: string, onText: (text: string) => void, options?: { onReady?: () => void }): () => void;
}

/** Who else is there: `Peers` of shared/isolate, as far as this needs it. */
export interface PeerWatch {
  /** Beats until the function that it gives is called. */
  start(): () => void;
  /** Hears of the beginning, at once where it has begun. */
  onStart(listener: () => void): () => void;
  /** Takes note of a sign of life. */
  heard(isolateId: string): void;
  /** Hears of an isolate that is gone. */
  onGone(listener: (isolateId: string) => void): () => void;
  /** Hears of each own beat. */
  onBeat(listener: () => void): () => void;
}

/** What one isolate asks of another's processes. */
type Request =
  | { readonly do: "send"; readonly to: Pid; readonly topic: string; readonly payload: unknown }
  | { readonly do: "monitor"; readonly pids: readonly Pid[] }
  | { readonly do: "demonitor"; readonly pid: Pid }
  | { readonly do: "exit"; readonly notice: ExitNotice };

/** The reason with which a monitored process ends whose isolate is no longer heard of. */
export const NO_CONNECTION = "noconnection";

/**
 * Makes the processes of the other isolates reachable by their pids. A message to one goes over the bus, at most once; a
 * payload is JSON, with `ArrayBuffer` and `Uint8Array` besides (both arrive as `ArrayBuffer`). A monitor is asked for
 * again with every beat, so that it holds though the bus loses the question or the answer; where the isolate itself is
 * gone, what was monitored on it ends with reason `noconnection`.
 *
 * Gives the function that ends all of it.
 */
export function connectProcesses(processes: Processes, bus: IsolateBus, peers: PeerWatch): () => void {
  const remote = new RemoteProcesses(processes, bus, peers);
  processes.connect(remote);
  return () => {
    processes.connect(undefined);
    remote.close();
  };
}

class RemoteProcesses implements RemoteLink {
  readonly #processes: Processes;
  readonly #bus: IsolateBus;
  readonly #peers: PeerWatch;
  /** Who here watches which process elsewhere. */
  readonly #watchers = new Map<Pid, Set<Pid>>();
  /** Which isolates watch which process here. */
  readonly #watchedBy = new Map<Pid, Set<string>>();
  /** Hears of the end of those, in the place of the others. */
  readonly #deputy: Pid;
  readonly #release: (() => void)[];
  readonly #ready = Promise.withResolvers<void>();
  /** Ends the beats that watching and being watched need. */
  #endBeats: (() => void) | undefined;
  #unsubscribe: (() => void) | undefined;

  constructor(processes: Processes, bus: IsolateBus, peers: PeerWatch) {
    this.#processes = processes;
    this.#bus = bus;
    this.#peers = peers;
    this.#deputy = processes.spawn({ [EXIT]: (notice: ExitNotice) => this.#tellEnd(notice) });
    this.#release = [
      peers.onStart(() => this.#listen()),
      peers.onGone((isolateId) => this.#isolateGone(isolateId)),
      peers.onBeat(() => this.#askAgain()),
    ];
  }

  reachable(): Promise<void> {
    this.#listen();
    return this.#ready.promise;
  }

  send(to: Pid, topic: string, payload: unknown): void {
    this.#listen();
    this.#ask(isolateOf(to), { do: "send", to, topic, payload });
  }

  monitor(watcher: Pid, pid: Pid): void {
    const watchers = this.#watchers.get(pid) ?? new Set();
    this.#watchers.set(pid, watchers.add(watcher));
    this.#listen();
    // An isolate that was never heard of must be heard of from now on, or it is gone.
    this.#keepBeating();
    this.#peers.heard(isolateOf(pid));
    this.#ask(isolateOf(pid), { do: "monitor", pids: [pid] });
  }

  demonitor(watcher: Pid, pid: Pid): void {
    const watchers = this.#watchers.get(pid);
    if (!watchers?.delete(watcher) || watchers.size > 0) return;
    this.#watchers.delete(pid);
    this.#ask(isolateOf(pid), { do: "demonitor", pid });
  }

  /** Not before there is someone to talk to: a bus costs an isolate time that it may never need. */
  #listen(): void {
    this.#unsubscribe ??= this.#bus.subscribe(topicOf(this.#processes.isolateId), (text) => this.#hear(text), {
      onReady: () => this.#ready.resolve(),
    });
  }

  /** Where the beats end, the isolate is taken for gone, and what is watched on it for ended. */
  #keepBeating(): void {
    this.#endBeats ??= this.#peers.start();
  }

  /** With a beat, and not when the last monitor ends: the next one may begin at once. */
  #restIfIdle(): void {
    if (this.#watchers.size > 0 || this.#watchedBy.size > 0) return;
    this.#endBeats?.();
    this.#endBeats = undefined;
  }

  close(): void {
    this.#unsubscribe?.();
    this.#endBeats?.();
    for (const release of this.#release) release();
    this.#processes.exit(this.#deputy);
    for (const pid of [...this.#watchers.keys()]) this.#ended({ pid, reason: NO_CONNECTION });
  }

  #ask(isolateId: string, request: Request): void {
    this.#bus.publish(topicOf(isolateId), encodePayload([this.#processes.isolateId, request]));
  }

  #hear(text: string): void {
    const heard = decodePayload(text) as [string, Request] | undefined;
    if (heard === undefined) return;
    const [from, request] = heard;
    this.#peers.heard(from);
    switch (request.do) {
      case "send":
        this.#processes.send(request.to, request.topic, request.payload);
        return;
      case "monitor":
        for (const pid of request.pids) this.#watchFor(from, pid);
        return;
      case "demonitor":
        return this.#unwatchFor(from, request.pid);
      case "exit":
        return this.#ended(request.notice);
    }
  }

  #watchFor(isolateId: string, pid: Pid): void {
    const isolates = this.#watchedBy.get(pid) ?? new Set();
    this.#watchedBy.set(pid, isolates.add(isolateId));
    this.#keepBeating();
    this.#processes.monitor(this.#deputy, pid);
  }

  #unwatchFor(isolateId: string, pid: Pid): void {
    const isolates = this.#watchedBy.get(pid);
    if (!isolates?.delete(isolateId) || isolates.size > 0) return;
    this.#watchedBy.delete(pid);
    this.#processes.demonitor(this.#deputy, pid);
  }

  #tellEnd(notice: ExitNotice): void {
    for (const isolateId of this.#watchedBy.get(notice.pid) ?? []) this.#ask(isolateId, { do: "exit", notice });
    this.#watchedBy.delete(notice.pid);
  }

  #ended(notice: ExitNotice): void {
    const watchers = this.#watchers.get(notice.pid) ?? [];
    this.#watchers.delete(notice.pid);
    for (const watcher of watchers) this.#processes.notify(watcher, EXIT, notice);
  }

  #isolateGone(isolateId: string): void {
    for (const pid of [...this.#watchers.keys()]) {
      if (isolateOf(pid) === isolateId) this.#ended({ pid, reason: NO_CONNECTION });
    }
    for (const pid of [...this.#watchedBy.keys()]) this.#unwatchFor(isolateId, pid);
  }

  #askAgain(): void {
    const byIsolate = new Map<string, Pid[]>();
    for (const [pid, watchers] of [...this.#watchers]) {
      for (const watcher of watchers) if (!this.#processes.isAlive(watcher)) this.demonitor(watcher, pid);
      if (!this.#watchers.has(pid)) continue;
      byIsolate.set(isolateOf(pid), [...byIsolate.get(isolateOf(pid)) ?? [], pid]);
    }
    for (const [isolateId, pids] of byIsolate) this.#ask(isolateId, { do: "monitor", pids });
    this.#restIfIdle();
  }
}

function isolateOf(pid: Pid): string {
  return pid.slice(0, pid.indexOf("."));
}

function topicOf(isolateId: string): string {
  return `processes:${isolateId}`;
}
