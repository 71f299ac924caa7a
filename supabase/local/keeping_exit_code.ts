/** Runs a task of PGlite's, which sets the exit code of the whole process when it starts and when a statement fails. */
export async function keepingExitCode<T>(task: () => Promise<T>): Promise<T> {
  const { exitCode } = Deno;
  try {
    return await task();
  } finally {
    Deno.exitCode = exitCode;
  }
}
