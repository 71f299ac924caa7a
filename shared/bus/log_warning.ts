import { log } from "../telemetry/log.ts";

/** Where the warnings of a bus go that was given no other place. */
export function logWarning(message: string): void {
  log.warn("bus.warning", { message });
}
