import type { Entry } from "./conversation.ts";

/**
 * A conversation as lines that can be compared, without ids: `user: …`, `assistant: …` (what was heard of it, where it was cut),
 * `system: …`, `call NAME ARGUMENTS`, `gave OUTPUT`.
 */
export function transcriptOf(entries: readonly Entry[]): string[] {
  return entries.map((entry) => {
    if (entry.type === "function_call") return `call ${entry.name} ${entry.text}`;
    if (entry.type === "function_call_output") return `gave ${entry.text}`;
    return `${entry.role}: ${entry.text}`;
  });
}
