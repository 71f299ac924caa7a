import type { UnloadReason } from "./isolate_messages.ts";

/**
 * Where an isolate is in its life: it loads the function, takes requests, takes no more of them but lives on for the
 * sockets it holds, is gone.
 */
export type IsolateState = "booting" | "serving" | "retired" | "gone";

/** Why an isolate is gone: the platform's reasons, or it ended by itself, or was killed from outside. */
export type EndReason = UnloadReason | "boot_failed" | "crashed" | "closed";
