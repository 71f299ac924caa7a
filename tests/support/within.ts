// As they are when this is loaded: a test that puts fake timers in their place still has real deadlines.
const { setTimeout, clearTimeout } = globalThis;

/** Gives what `promise` gives; rejects after `deadlineMs` (default: 10 s), so that a test which waits in vain says for what. */
export async function within<T>(what: string, promise: Promise<T>, deadlineMs = 10_000): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`Waited ${deadlineMs} ms in vain: ${what}`)), deadlineMs);
  });
  try {
    return await Promise.race([promise, deadline]);
  } finally {
    clearTimeout(timer);
  }
}
