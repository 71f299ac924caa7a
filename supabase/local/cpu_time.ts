/** Ticks of `/proc/PID/stat` in a second: USER_HZ, which is 100 on every Linux of today. */
const TICKS_PER_SECOND = 100;

/**
 * CPU time that a process has used so far, all its threads, in ms; undefined when it is gone. Linux only.
 *
 * @throws {Deno.errors.NotFound} never: a missing process is undefined
 */
export async function cpuTimeMs(pid: number): Promise<number | undefined> {
  try {
    const stat = await Deno.readTextFile(`/proc/${pid}/stat`);
    // The second field is the name in parentheses, which may hold spaces: count from behind it (proc(5)).
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[11]) + Number(fields[12])) * 1000 / TICKS_PER_SECOND;
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

function isGone(error: unknown): boolean {
  return error instanceof Deno.errors.NotFound || (error instanceof Error && error.message.includes("os error 3"));
}
