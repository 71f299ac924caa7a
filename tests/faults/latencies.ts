import type { Member, Transition } from "./member.ts";

/** Of some times in milliseconds: how many, and by which share of them they are reached. */
export interface Quantiles {
  readonly count: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
}

/** The quantiles of some times; all 0 for none. */
export function quantilesOf(times: readonly number[]): Quantiles {
  const sorted = Float64Array.from(times).sort();
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
  return { count: sorted.length, p50: at(0.5), p95: at(0.95), p99: at(0.99), max: at(1) };
}

/** How long messages took from the sender's application to each other member's, in ms. */
export interface Latencies {
  /** Both on one isolate and with a steady connection all the while. */
  readonly sameIsolate: Quantiles;
  /** The same, on two isolates. */
  readonly acrossIsolates: Quantiles;
  /** The longest of those that touch a planned hand-over of the sender or the receiver: one number a hand-over. */
  readonly handOver: Quantiles;
  /** What to compare that with: the longest in as long a time some seconds before, in which nothing moved. */
  readonly beforeHandOver: Quantiles;
  /** The same where the isolate's time was over before the next connection was open. */
  readonly lateHandOver: Quantiles;
  /** The same for a connection that broke. */
  readonly loss: Quantiles;
}

/** A transition counts for what is under way a little longer than it lasts: the old connection is not done at once. */
const AFTERMATH_MS = 250;
/** So long before a hand-over the same member is looked at without one. */
const BEFORE_MS = 4_000;

/** Sorts what all members received by what went on while it was under way. */
export function measureLatencies(members: readonly Member[]): Latencies {
  const senders = new Map(members.flatMap((member) => [...member.sent].map(([id, sent]) => [id, { member, ...sent }])));
  const longest = new Map<Transition, number>();
  for (const { transitions } of members) for (const transition of transitions) longest.set(transition, 0);
  const quiet = new Map(members.map((member) => [member, quietTimes(member)]));
  const longestInQuiet = new Map<Transition, number>();
  const calm: Record<"same" | "across", number[]> = { same: [], across: [] };
  for (const receiver of members) {
    for (const { clientId, at, isolate } of receiver.deliveries) {
      const sent = senders.get(clientId);
      if (sent === undefined || sent.member === receiver) continue;
      const touched = [receiver, sent.member].flatMap(({ transitions }) => touching(transitions, sent.at, at));
      for (const one of touched) longest.set(one, Math.max(longest.get(one)!, at - sent.at));
      if (touched.length > 0) continue;
      calm[isolate === sent.isolate ? "same" : "across"].push(at - sent.at);
      const times = [receiver, sent.member].flatMap((member) => touching(quiet.get(member)!, sent.at, at));
      for (const one of times) longestInQuiet.set(one, Math.max(longestInQuiet.get(one) ?? 0, at - sent.at));
    }
  }
  const longestOf = (kind: Transition["kind"]) =>
    quantilesOf([...longest].filter(([one, ms]) => one.kind === kind && ms > 0).map(([, ms]) => ms));
  return {
    sameIsolate: quantilesOf(calm.same),
    acrossIsolates: quantilesOf(calm.across),
    handOver: longestOf("hand-over"),
    beforeHandOver: quantilesOf([...longestInQuiet.values()]),
    lateHandOver: longestOf("late hand-over"),
    loss: longestOf("loss"),
  };
}

function touching(transitions: readonly Transition[], from: number, to: number): Transition[] {
  return transitions.filter((one) => one.from <= to && from <= one.to + AFTERMATH_MS);
}

/** Times as long as a member's hand-overs, some seconds before each, as far as it did not move then. */
function quietTimes({ transitions }: Member): Transition[] {
  const times = transitions.filter(({ kind }) => kind === "hand-over")
    .map(({ kind, from, to }) => ({ kind, from: from - BEFORE_MS, to: to - BEFORE_MS }));
  return times.filter(({ from, to }) => touching(transitions, from, to).length === 0);
}
