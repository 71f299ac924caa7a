/** An event of a room's log: as the database has it, or as a client was told of it. */
export interface LoggedEvent {
  readonly seq: number;
  /** Of a message: its text. */
  readonly body?: string;
}

/** What differs between what a client saw and the log. */
export interface Differences {
  /** Events that never came. */
  readonly lost: number;
  /** Events that came again. */
  readonly doubled: number;
  /** Events that came after one with a higher `seq`. */
  readonly reordered: number;
  /** Events that the log does not have, or has with another text. */
  readonly wrong: number;
}

/** Compares what a client saw, in the order in which it came, with the part of the log that it should have seen. */
export function compareLogs(expected: readonly LoggedEvent[], seen: readonly LoggedEvent[]): Differences {
  const log = new Map(expected.map(({ seq, body }) => [seq, body]));
  const known = new Set<number>();
  let [doubled, reordered, wrong, highest] = [0, 0, 0, -Infinity];
  for (const { seq, body } of seen) {
    if (known.has(seq)) doubled++;
    else if (seq < highest) reordered++;
    if (!log.has(seq) || log.get(seq) !== body) wrong++;
    known.add(seq);
    highest = Math.max(highest, seq);
  }
  return { lost: expected.filter(({ seq }) => !known.has(seq)).length, doubled, reordered, wrong };
}

/** All differences of several clients and rooms together. */
export function addDifferences(all: readonly Differences[]): Differences {
  const sum = (name: keyof Differences) => all.reduce((total, one) => total + one[name], 0);
  return { lost: sum("lost"), doubled: sum("doubled"), reordered: sum("reordered"), wrong: sum("wrong") };
}
