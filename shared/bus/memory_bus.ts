import type { Bus, Unsubscribe } from "./bus.ts";

/** A bus within one isolate, for tests and for development without a server. It delivers at once, in order, exactly once. */
export function memoryBus(): Bus {
  const subscribers = new Map<string, Set<(text: string) => void>>();
  return {
    publish(topic, text) {
      for (const onText of [...subscribers.get(topic) ?? []]) onText(text);
    },
    subscribe(topic, onText): Unsubscribe {
      const listeners = subscribers.get(topic) ?? new Set();
      subscribers.set(topic, listeners.add(onText));
      return () => {
        listeners.delete(onText);
        if (listeners.size === 0 && subscribers.get(topic) === listeners) subscribers.delete(topic);
      };
    },
    close() {
      subscribers.clear();
      return Promise.resolve();
    },
  };
}
