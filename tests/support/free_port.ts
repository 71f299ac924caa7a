/** Below the ports that systems give to whoever asks for any: only another call of this could take one meanwhile. */
const FIRST = 20_000;
const LAST = 32_767;

/**
 * A port of the loopback that nobody listens on, for a program that cannot say which one it took. It is not kept: whoever
 * starts the program must see it end where another one was quicker, and ask again, as `withFreePort` does.
 */
export function freePort(): number {
  for (let tries = 0; tries < 100; tries++) {
    const port = FIRST + Math.floor(Math.random() * (LAST - FIRST + 1));
    if (isFree(port)) return port;
  }
  throw new Error(`Cannot find a free port from ${FIRST} to ${LAST}`);
}

/** Runs `start` with a free port, and again with another one where it fails, three times at most. */
export async function withFreePort<T>(start: (port: number) => Promise<T>): Promise<T> {
  for (let tries = 1;; tries++) {
    try {
      return await start(freePort());
    } catch (error) {
      if (tries === 3) throw error;
    }
  }
}

function isFree(port: number): boolean {
  try {
    Deno.listen({ hostname: "127.0.0.1", port }).close();
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.AddrInUse) return false;
    throw error;
  }
}
