/** The platform's word for the end comes when so much of the wall clock is over. */
const UNLOAD_AT = 0.9;
/** CPU or memory that runs out leaves no length of time, but it leaves little. */
const HURRY_MS = 2_000;
/** Nothing was pending: the isolate goes as soon as its listeners have run. */
const EARLY_DROP_MS = 1_000;
/** The platform waits so long for a worker that it asked to end. */
const TERMINATION_MS = 15_000;

/**
 * How long an isolate of age `ageMs` has left after a `beforeunload` with this reason, in milliseconds. What the platform
 * shows is believed before the setting: its word for the wall clock comes at nine tenths, so a ninth of the age is left
 * whatever `wallClockMs` says. For a reason that is not known the same as for `termination`, which leaves at most a tenth
 * of the wall clock and 15 s (edge-runtime, `worker/driver/managed.rs` and `worker/supervisor`).
 */
export function timeLeftMs(reason: string, { wallClockMs, ageMs }: { wallClockMs: number; ageMs: number }): number {
  const planned = Math.max(0, wallClockMs - ageMs);
  switch (reason) {
    case "wall_clock":
      return Math.min(planned, ageMs * (1 - UNLOAD_AT) / UNLOAD_AT);
    case "cpu":
    case "memory":
      return Math.min(planned, HURRY_MS);
    case "early_drop":
      return Math.min(planned, EARLY_DROP_MS);
    default:
      return Math.min(planned, TERMINATION_MS, wallClockMs * (1 - UNLOAD_AT));
  }
}
