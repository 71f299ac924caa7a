import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** A TCP proxy on this machine, with faults on demand. */
export interface TcpProxy extends AsyncDisposable {
  /** Of the loopback interface. */
  readonly port: number;
  /** Where new connections go, from now on. */
  target: number;
  /** What is sent through it arrives so much later, in ms. */
  delayMs: number;
  /** Cuts one of the connections, the share `pick` of the way through them, without a close frame; all of them without `pick`. */
  cut(pick?: number): void;
}

/** What stands between the two ends of a connection, in place of passing everything on as it comes. */
export type FromServer = (toClient: (bytes: Uint8Array) => void) => (bytes: Uint8Array) => void;

/** Opens a proxy on a free port, to `target` on this machine. `fromServer`, made for each connection, sees what servers say. */
export async function openTcpProxy(target = 0, fromServer?: FromServer): Promise<TcpProxy> {
  const clients = new Set<Socket>();
  const proxy = { target, delayMs: 0 };
  const server = createServer((client) => {
    const upstream = connect({ host: "127.0.0.1", port: proxy.target });
    clients.add(client);
    for (const [from, to] of [[client, upstream], [upstream, client]] as const) {
      const inTurn = delayed(() => proxy.delayMs);
      const write = (bytes: Uint8Array) => inTurn(() => to.writable && to.write(bytes));
      from.setNoDelay(true);
      from.on("data", from === upstream && fromServer !== undefined ? fromServer(write) : write);
      from.on("error", () => {}); // "close" follows.
      from.on("end", () => inTurn(() => to.end()));
      from.on("close", () => inTurn(() => to.destroy()));
    }
    client.on("close", () => clients.delete(client));
  });

  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return Object.assign(proxy, {
    port: (server.address() as AddressInfo).port,
    cut(pick?: number) {
      const all = [...clients];
      const cut = pick === undefined ? all : all.slice(Math.floor(pick * all.length)).slice(0, 1);
      for (const client of cut) client.resetAndDestroy();
    },
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const client of clients) client.destroy();
      await closed;
    },
  });
}

/** Gives what runs tasks so much later, in their order, whatever becomes of the delay meanwhile. */
function delayed(delayMs: () => number): (task: () => void) => void {
  const waiting: { readonly at: number; readonly task: () => void }[] = [];
  const runDue = () => {
    while (waiting.length > 0 && waiting[0]!.at <= performance.now()) waiting.shift()!.task();
    const next = waiting[0];
    if (next !== undefined) setTimeout(runDue, next.at - performance.now());
  };
  return (task) => {
    if (waiting.length === 0 && delayMs() === 0) return task();
    waiting.push({ at: Math.max(performance.now() + delayMs(), waiting.at(-1)?.at ?? 0), task });
    if (waiting.length === 1) setTimeout(runDue, delayMs());
  };
}
