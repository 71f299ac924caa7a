/**
 * The processes of this isolate: `spawn` one, `send` it messages, watch it end. Those of others are reached by
 * `connectProcesses` of `remote_processes.ts`, which a function loads only where it has a bus.
 */
import { log } from "../telemetry/log.ts";
import { Processes } from "./processes.ts";
import type { Behaviour, ExitReason, InFlight, Pid, SendResult, SpawnOptions } from "./process.ts";

export { added, allOf, type Few, removed } from "./few.ts";
export { Processes, type ProcessesOptions, type RemoteLink } from "./processes.ts";
export * from "./process.ts";

/** The table that the functions below work on: one an isolate. */
export const processes: Processes = new Processes();
log.bind({ isolate: processes.isolateId });

/** Waits until the processes of this isolate can be reached from others. See {@linkcode Processes.reachable}. */
export function reachable(withinMs?: number): Promise<boolean> {
  return processes.reachable(withinMs);
}

/** Starts a process. See {@linkcode Processes.spawn}. */
export function spawn(behaviour: Behaviour, options?: SpawnOptions): Pid {
  return processes.spawn(behaviour, options);
}

/** Sends a message to a pid or a name. See {@linkcode Processes.send}. */
export function send(to: Pid, topic: string, payload: unknown, bytes?: number, inFlight?: InFlight): SendResult {
  return processes.send(to, topic, payload, bytes, inFlight);
}

/** Ends a process. See {@linkcode Processes.exit}. */
export function exit(pid: Pid, reason?: ExitReason): void {
  processes.exit(pid, reason);
}

/** Tells `watcher` of the end of `pid`. See {@linkcode Processes.monitor}. */
export function monitor(watcher: Pid, pid: Pid): void {
  processes.monitor(watcher, pid);
}

/** Makes two processes end together. See {@linkcode Processes.link}. */
export function link(a: Pid, b: Pid): void {
  processes.link(a, b);
}

/** Makes `pid` reachable under `name`. See {@linkcode Processes.register}. */
export function register(name: string, pid: Pid): void {
  processes.register(name, pid);
}

/** The pid behind a registered name. */
export function whereis(name: string): Pid | undefined {
  return processes.whereis(name);
}
