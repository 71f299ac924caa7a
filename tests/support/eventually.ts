// As it is when this is loaded: a test that puts fake timers in its place still polls in real time.
const { setTimeout } = globalThis;

/** Asks until the answer is neither false nor undefined, and gives it; fails after `deadlineMs` (default: 10 s). */
export async function eventually<T>(
  what: string,
  ask: () => T | false | undefined | Promise<T | false | undefined>,
  { deadlineMs = 10_000, everyMs = 20 } = {},
): Promise<T> {
  const deadline = performance.now() + deadlineMs;
  while (performance.now() < deadline) {
    const answer = await ask();
    if (answer !== undefined && answer !== false) return answer;
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
  throw new Error(`Waited ${deadlineMs} ms in vain: ${what}`);
}
