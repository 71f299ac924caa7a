/** The tick of `/proc/PID/stat`: USER_HZ is 100 on every Linux of today. */
const TICK_US = 10_000;

/** What a process had used of the CPU at a moment. */
export interface CpuReading {
  /** By thread, in nanoseconds. */
  readonly threads: ReadonlyMap<string, number>;
  /** User and system time of all threads, ended ones too, in ticks of 10 ms. */
  readonly ticks: number;
}

/**
 * Reads the CPU time of a process, user and kernel, of all its threads. Linux only.
 *
 * `/proc/PID/stat` counts in ticks of 10 ms, too coarse for a room in which little happens; the scheduler's own account
 * of each thread (`schedstat`) is in nanoseconds, but it forgets a thread that ends. Both are read, see `cpuUsedUs`.
 */
export async function readCpu(pid: number): Promise<CpuReading> {
  const threads = new Map<string, number>();
  for await (const { name } of Deno.readDir(`/proc/${pid}/task`)) {
    const schedstat = await Deno.readTextFile(`/proc/${pid}/task/${name}/schedstat`).catch(orUndefinedIfGone);
    if (schedstat !== undefined) threads.set(name, Number(schedstat.split(" ", 1)[0]));
  }
  const stat = await Deno.readTextFile(`/proc/${pid}/stat`);
  // The second field is the name in parentheses, which may hold spaces: count from behind it (proc(5)).
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return { threads, ticks: Number(fields[11]) + Number(fields[12]) };
}

/**
 * CPU time between two readings in microseconds: by the account in nanoseconds, or by ticks where these show that a thread
 * which ended in between had done some of the work.
 */
export function cpuUsedUs(before: CpuReading, after: CpuReading): number {
  let nanoseconds = 0;
  for (const [thread, used] of after.threads) nanoseconds += used - (before.threads.get(thread) ?? 0);
  const exactUs = nanoseconds / 1000;
  const tickedUs = (after.ticks - before.ticks) * TICK_US;
  return tickedUs - exactUs > 2 * TICK_US ? tickedUs : exactUs;
}

function orUndefinedIfGone(error: unknown): undefined {
  // A thread may end between the listing and the reading: ESRCH where its file was open already.
  if (error instanceof Deno.errors.NotFound || String(error).includes("os error 3")) return undefined;
  throw error;
}
