/** Why an isolate is told that it ends, as `detail.reason` of its `beforeunload` event. */
export type UnloadReason = "wall_clock" | "cpu" | "memory" | "early_drop" | "termination";

/** What an isolate tells its parent, one line of JSON each on standard output behind `MESSAGE_MARK`. */
export type FromIsolate =
  /** The process is up and begins to load the function: its clocks start. */
  | { type: "booting" }
  /** The function called `Deno.serve`. */
  | { type: "serving"; port: number }
  | { type: "boot_failed"; message: string }
  /** How much is pending in `waitUntil`: after `retire`, and from then on at each change. */
  | { type: "pending"; count: number }
  /** The `beforeunload` event was dispatched. */
  | { type: "unloaded" };

/** What the parent tells an isolate, one line of JSON each on standard input. The end of input ends the isolate. */
export type ToIsolate =
  /** No more requests come: report what is pending. */
  | { type: "retire" }
  | { type: "beforeunload"; reason: UnloadReason };

/** Begins a line of standard output that is a message and no output of the function (RFC 7464's record separator). */
export const MESSAGE_MARK = "\x1e";
