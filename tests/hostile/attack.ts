import type { FunctionName, Target } from "./target.ts";

/** Something that a hostile client does. */
export interface Attack {
  /** As the table of docs/security.md names it. */
  readonly name: string;
  readonly against: readonly FunctionName[];
  /** How many times it is done at once. */
  readonly tries: number;
  /** Takes too long for the gate. */
  readonly isLong?: boolean;
  /**
   * Does it. Settles once it is over and the attacker has gone; gives what it came to for him, in a few words. Rejects where
   * he came to what he must not.
   */
  run(target: Target, tries: number): Promise<string>;
}

/** Does something `tries` times, some at a time, and counts what came of it. */
export async function countOutcomes(
  tries: number,
  attempt: (n: number) => Promise<string>,
  parallel = 10,
): Promise<string> {
  const counts = new Map<string, number>();
  const numbers = Array.from({ length: tries }, (_, n) => n).values();
  await Promise.all(Array.from({ length: parallel }, async () => {
    for (const n of numbers) {
      const outcome = await attempt(n);
      counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
    }
  }));
  return describe(counts);
}

/** `900 dropped, 100 closed 1009`; where all came to the same, that alone. */
function describe(counts: ReadonlyMap<string, number>): string {
  if (counts.size === 1) return [...counts.keys()][0]!;
  return [...counts].sort(([, a], [, b]) => b - a).map(([outcome, count]) => `${count} ${outcome}`).join(", ");
}
