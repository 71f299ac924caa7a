/** Bounds what an attacker costs: he goes on only while the server that he attacks has not used more than its share. */
export interface CoreShare {
  /** Counts from here on. */
  begin(): void;
  /** What the server has used since, as a share of one core. */
  readonly used: number;
  /** Waits until the server has used less than `mostUsed` of a core; one at a time, in the order of the calls. */
  turn(): Promise<void>;
}

const LOOK_EVERY_MS = 2;

/** Watches the main thread of process `pid`, which is the one that runs a function's code. Linux only. */
export function coreShare(pid: number, mostUsed: number): CoreShare {
  let begunAt = performance.now();
  let usedBefore = readMs();
  let last = Promise.resolve();

  function readMs(): number {
    return Number(Deno.readTextFileSync(`/proc/${pid}/schedstat`).split(" ", 1)[0]) / 1_000_000;
  }

  const share: CoreShare = {
    begin() {
      begunAt = performance.now();
      usedBefore = readMs();
    },
    get used() {
      return (readMs() - usedBefore) / (performance.now() - begunAt);
    },
    turn() {
      return last = last.then(async () => {
        do await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS)); while (share.used > mostUsed);
      });
    },
  };
  return share;
}
