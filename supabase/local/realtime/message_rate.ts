const TICK_MS = 5_000;
const MAX_TICKS = 12;

/** Counts the messages of a project. */
export interface MessageRate {
  /** Counts `messages` now. */
  count(messages: number): void;
  /** Messages a second on average over the last ticks of 5 s that are complete, at most twelve. */
  average(): number;
}

/** Makes a counter; `now` gives ms. */
export function createMessageRate(now: () => number = performance.now.bind(performance)): MessageRate {
  let ticks: number[] = [];
  let current = 0;
  let currentBegan = now();

  function roll(): void {
    const passed = Math.floor((now() - currentBegan) / TICK_MS);
    if (passed === 0) return;
    const empty = new Array<number>(Math.min(passed - 1, MAX_TICKS)).fill(0);
    ticks = [...ticks, current, ...empty].slice(-MAX_TICKS);
    current = 0;
    currentBegan += passed * TICK_MS;
  }

  return {
    count(messages) {
      roll();
      current += messages;
    },
    average() {
      roll();
      if (ticks.length === 0) return 0;
      return ticks.reduce((sum, messages) => sum + messages, 0) / ticks.length / (TICK_MS / 1000);
    },
  };
}
