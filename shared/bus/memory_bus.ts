import { type Bus, BusCounters, type BusOptions } from "./bus.ts";
import { logWarning } from "./log_warning.ts";
import { Subscribers } from "./subscribers.ts";

/** A bus within one isolate, for tests and for development without a server. It delivers at once, in order, exactly once. */
export function memoryBus({ warn = logWarning }: BusOptions = {}): Bus {
  const counters = new BusCounters();
  const subscribers = new Subscribers(counters, warn);
  let isClosed = false;
  return {
    counters,
    answerMs: 0,
    publish(topic, text) {
      if (isClosed) return;
      counters.published++;
      subscribers.deliver(topic, text);
    },
    subscribe(topic, onText, { onReady } = {}) {
      if (isClosed) return () => {};
      const unsubscribe = subscribers.add(topic, { onText });
      onReady?.();
      return unsubscribe;
    },
    close() {
      isClosed = true;
      subscribers.clear();
      return Promise.resolve();
    },
  };
}
