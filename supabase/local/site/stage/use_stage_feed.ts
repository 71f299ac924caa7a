import { useEffect, useState } from "react";
import type { StagedEnd, StagedIsolate, StageView } from "../../stage_view.ts";

/** An isolate on the stage: as it is, or as it was when it ended a moment ago. */
export interface SeenIsolate extends StagedIsolate {
  readonly endedBy?: StagedEnd["reason"];
}

/** What the stage has seen. */
export interface StageFeed {
  readonly isolates: readonly SeenIsolate[];
  readonly faults: StageView["faults"];
  readonly spoiled: StageView["spoiled"];
  /** Isolates that ended since the page was opened. */
  readonly ended: number;
  /** What happened, newest first. */
  readonly happenings: readonly Happening[];
  readonly isLive: boolean;
}

/** The end of an isolate, as it is told. */
export interface Happening {
  readonly number: number;
  readonly at: Date;
  readonly text: string;
}

const NOTHING: StageFeed = {
  isolates: [],
  faults: { drop: 0, double: 0, reorder: 0 },
  spoiled: { dropped: 0, doubled: 0, delayed: 0, reordered: 0 },
  ended: 0,
  happenings: [],
  isLive: false,
};
/** How long an isolate that is gone is still seen. */
const LINGER_MS = 2_500;
const MOST_HAPPENINGS = 30;

const REASONS: Readonly<Record<StagedEnd["reason"], string>> = {
  wall_clock: "its time was up",
  cpu: "its CPU was used up",
  memory: "its memory was used up",
  early_drop: "it had nothing left to do",
  termination: "it was told to go",
  boot_failed: "it did not start",
  crashed: "it crashed",
  closed: "killed",
};

/** Follows the isolates of the server while the component is there. */
export function useStageFeed(): StageFeed {
  const [feed, setFeed] = useState(NOTHING);
  useEffect(() => {
    const source = new EventSource("/stage/events");
    const timers = new Set<ReturnType<typeof setTimeout>>();
    source.onmessage = ({ data }) => {
      const view = JSON.parse(data) as StageView;
      setFeed((feed) => take(feed, view));
      for (const { id } of view.ended) {
        const timer = setTimeout(() => {
          timers.delete(timer);
          setFeed((feed) => ({ ...feed, isolates: feed.isolates.filter((isolate) => isolate.id !== id) }));
        }, LINGER_MS);
        timers.add(timer);
      }
    };
    source.onerror = () => setFeed((feed) => ({ ...feed, isLive: false }));
    return () => {
      source.close();
      timers.forEach(clearTimeout);
    };
  }, []);
  return feed;
}

function take(feed: StageFeed, { isolates, ended, faults, spoiled }: StageView): StageFeed {
  const reasons = new Map(ended.map(({ id, reason }) => [id, reason]));
  const now = new Map(isolates.map((isolate): [string, SeenIsolate] => [isolate.id, isolate]));
  // What ended stays for a moment where it was, as it was.
  const kept = feed.isolates.flatMap((before): SeenIsolate[] => {
    const reason = before.endedBy ?? reasons.get(before.id);
    if (reason !== undefined) return [{ ...before, state: "gone", endedBy: reason }];
    return now.has(before.id) ? [now.get(before.id)!] : [];
  });
  const fresh = isolates.filter(({ id }) => !kept.some((isolate) => isolate.id === id));
  const total = feed.ended + ended.length;
  const happenings = ended.map(({ id, function: name, reason, ageMs }, i): Happening => ({
    number: total - i,
    at: new Date(),
    text: `${name} ${id.slice(0, 8)} ended after ${Math.round(ageMs / 1_000)} s: ${REASONS[reason]}`,
  }));
  return {
    isolates: [...kept, ...fresh],
    faults,
    spoiled,
    ended: total,
    happenings: [...happenings, ...feed.happenings].slice(0, MOST_HAPPENINGS),
    isLive: true,
  };
}
