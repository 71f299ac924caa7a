/** A handler that is served in this process, on a free port of the loopback. */
export interface Served extends AsyncDisposable {
  /** `http://127.0.0.1:PORT` */
  readonly url: string;
  /** `ws://127.0.0.1:PORT` */
  readonly socketUrl: string;
  /** `127.0.0.1:PORT` */
  readonly host: string;
}

/** Serves `handler` until it is disposed of; sockets that are open then are cut. */
export function serve(handler: (request: Request) => Response | Promise<Response>): Served {
  const cut = new AbortController();
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {}, signal: cut.signal }, handler);
  const host = `127.0.0.1:${server.addr.port}`;
  return {
    url: `http://${host}`,
    socketUrl: `ws://${host}`,
    host,
    async [Symbol.asyncDispose]() {
      cut.abort();
      await server.finished;
    },
  };
}
