import { useEffect, useState } from "react";

/** The time, in ms since 1970, as it was at the last of ticks that come every `everyMs`. */
export function useNow(everyMs: number): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  // What a render shows may have happened since the tick.
  return Math.max(now, Date.now() - everyMs);
}

/** A duration in words: `41 s`, `3 min 5 s`. */
export function seconds(ms: number): string {
  const whole = Math.max(0, Math.round(ms / 1_000));
  return whole < 120 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}

/** A time of day: `11:49 AM`. */
export function timeOfDay(at: Date): string {
  return at.toLocaleTimeString([], { timeStyle: "short" });
}
