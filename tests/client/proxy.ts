/** A TCP proxy in front of servers of this process: what a platform's gateway is to its isolates, with faults on demand. */
export interface Proxy extends AsyncDisposable {
  /** `http://127.0.0.1:PORT` */
  readonly url: string;
  /** Where new connections go: `http://127.0.0.1:PORT`; nowhere while undefined. */
  target: string | undefined;
  /** How long what a client sends is on its way, in milliseconds. */
  lagMs: number;
  /** How many connections there were. */
  readonly accepted: number;
  /** Cuts every connection, without a close frame. */
  cut(): void;
  /** Keeps every connection open, and lets nothing through any more. */
  freeze(): void;
}

/** Opens a proxy on a free port. */
export function openProxy(target?: string): Proxy {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const pipes = new Set<{ conns: Deno.Conn[]; frozen: boolean }>();
  const proxy = { target, accepted: 0, lagMs: 0 };

  async function serve(client: Deno.Conn): Promise<void> {
    const pipe = { conns: [client], frozen: false };
    pipes.add(pipe);
    try {
      if (proxy.target === undefined) return;
      const { hostname, port } = new URL(proxy.target);
      const server = await Deno.connect({ hostname, port: Number(port) });
      pipe.conns.push(server);
      await Promise.race([pump(client, server, pipe, () => proxy.lagMs), pump(server, client, pipe, () => 0)]);
    } catch {
      // Either end is gone: so is the other.
    } finally {
      pipes.delete(pipe);
      closeAll(pipe.conns);
    }
  }

  const accepting = (async () => {
    for await (const client of listener) {
      proxy.accepted++;
      void serve(client);
    }
  })();

  return Object.assign(proxy, {
    url: `http://127.0.0.1:${listener.addr.port}`,
    cut: () => pipes.forEach(({ conns }) => closeAll(conns)),
    freeze: () => pipes.forEach((pipe) => (pipe.frozen = true)),
    async [Symbol.asyncDispose]() {
      listener.close();
      await accepting;
      for (const { conns } of pipes) closeAll(conns);
    },
  });
}

async function pump(from: Deno.Conn, to: Deno.Conn, pipe: { frozen: boolean }, lagMs: () => number): Promise<void> {
  const bytes = new Uint8Array(65_536);
  for (;;) {
    const count = await from.read(bytes);
    if (count === null) return;
    if (lagMs() > 0) await new Promise((resolve) => setTimeout(resolve, lagMs()));
    for (let sent = 0; sent < count && !pipe.frozen;) sent += await to.write(bytes.subarray(sent, count));
  }
}

function closeAll(conns: readonly Deno.Conn[]): void {
  for (const conn of conns) {
    try {
      conn.close();
    } catch {
      // Closed already.
    }
  }
}
