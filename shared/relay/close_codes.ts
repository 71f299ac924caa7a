import { closeReason } from "../connection/close_reason.ts";
import type { LeaveMessage } from "../connection/mod.ts";

/** A close frame to be sent: `code` is left out where the other side sent none. */
export interface Closing {
  readonly code?: number;
  readonly reason: string;
}

/** What an upstream is told whose client broke off or was cut off; the reason says how. */
export const CLIENT_GONE = 4499;

/**
 * Codes below 3000 that mean the same to the client as they do here: an end, a session that expired (1001), a frame that
 * the upstream could not take, its failure, its restart. The others stand for a broken connection or blame the relay.
 */
const PASSED_TO_CLIENT: ReadonlySet<number> = new Set([1000, 1001, 1003, 1007, 1008, 1009, 1011, 1012, 1013]);

/**
 * The close frame for a client whose upstream closed with `code`: 3000 to 4999 and the codes of an end with a meaning as
 * they are; a broken connection (0, 1006), a close without a code (1005) and all others as 4502.
 */
export function closeForClient(name: string, code: number, reason: string): Required<Closing> {
  if (PASSED_TO_CLIENT.has(code) || isPrivate(code)) return { code, reason };
  if (code === 0 || code === 1006) return { code: 4502, reason: `upstream_failed: "${name}" broke off the connection` };
  if (code === 1005) return { code: 4502, reason: `upstream_failed: "${name}" closed without a code` };
  return { code: 4502, reason: `upstream_failed: "${name}" closed with ${code}` };
}

/**
 * The close frame for an upstream whose client left: the client's own code where `WebSocket.close()` takes it (1000, 3000
 * to 4999), none where it sent none, 1000 where its page went away (1001), and 4499 for all other ends, so that an upstream
 * which keeps sessions for those who come back can tell them from one that is over.
 */
export function closeForUpstream({ reason, close }: Pick<LeaveMessage, "reason" | "close">): Closing {
  if (close === undefined) return { code: CLIENT_GONE, reason };
  if (close.code === 1005) return { reason: "" };
  if (close.code === 1001) return { code: 1000, reason: closeReason(close.reason || "going away") };
  if (close.code === 1000 || isPrivate(close.code)) return { code: close.code, reason: closeReason(close.reason) };
  return { code: CLIENT_GONE, reason: closeReason(`${close.code}: ${close.reason}`) };
}

function isPrivate(code: number): boolean {
  return code >= 3000 && code <= 4999;
}
