/** What V8 spent on each piece of source of a start, in ms, by what was done to which. */
export type CompileTimes = ReadonlyMap<string, number>;

/** What of V8's log is compiling; what else it names (`preparse-resolution`, `full-parse`) is inside of these. */
const STEPS: ReadonlySet<string> = new Set(["parse-script", "parse-function", "interpreter", "baseline"]);

/**
 * Reads V8's log of function events (`--log-function-events`): lines of `function,STEP,SCRIPT,START,END,MS,AT,NAME`, as its
 * function log processor has it (tools/parse-processor in V8's source). A script is known by its name, as its number
 * differs between starts.
 */
export function readCompileTimes(log: string): CompileTimes {
  const lines = log.split("\n").map((line) => line.split(","));
  const names = new Map(lines.filter(([kind]) => kind === "script-details").map(([, id, name]) => [id, name]));
  const times = new Map<string, number>();
  for (const [kind, step = "", id, start, end, ms] of lines) {
    if (kind !== "function" || !STEPS.has(step)) continue;
    const key = `${step} ${names.get(id) ?? id} ${start} ${end}`;
    times.set(key, (times.get(key) ?? 0) + Number(ms));
  }
  return times;
}

/** The sum of the least time that each piece took in any of several starts: what else the machine did only added to it. */
export function leastCompileMs(starts: readonly CompileTimes[]): number {
  const least = new Map<string, number>();
  for (const times of starts) {
    for (const [key, ms] of times) least.set(key, Math.min(ms, least.get(key) ?? Infinity));
  }
  return [...least.values()].reduce((sum, ms) => sum + ms, 0);
}
