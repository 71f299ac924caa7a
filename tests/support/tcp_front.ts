import type { Certificate } from "./self_signed_certificate.ts";

/** A listener that passes all on to a server, and back. */
export interface TcpFront extends Disposable {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  /** All that the server has said to clients, byte for byte. */
  readonly said: Uint8Array[];
}

/**
 * Passes connections on to `target` (`127.0.0.1:PORT`, or what gives that for each) as they are; with a certificate, clients
 * speak TLS and the server does not.
 */
export function startTcpFront(target: string | (() => string), certificate?: Certificate): TcpFront {
  const address = { hostname: "127.0.0.1", port: 0 };
  const listener = certificate ? Deno.listenTls({ ...address, ...certificate }) : Deno.listen(address);
  const said: Uint8Array[] = [];
  const open = new Set<Deno.Conn>();
  const pass = async (client: Deno.Conn) => {
    const [hostname = "", port] = (typeof target === "string" ? target : target()).split(":");
    const server = await Deno.connect({ hostname, port: Number(port) });
    for (const connection of [client, server]) open.add(connection);
    const record = new TransformStream<Uint8Array, Uint8Array>({
      transform(bytes, controller) {
        said.push(bytes);
        controller.enqueue(bytes);
      },
    });
    const ends = [
      client.readable.pipeTo(server.writable),
      server.readable.pipeThrough(record).pipeTo(client.writable),
    ];
    await Promise.race(ends.map((end) => end.catch(() => {}))); // Cut by either.
    for (const connection of [client, server]) close(connection);
  };
  const accept = async () => {
    for await (const client of listener) pass(client).catch(() => close(client));
  };
  accept();
  return {
    host: `127.0.0.1:${(listener.addr as Deno.NetAddr).port}`,
    said,
    [Symbol.dispose]() {
      listener.close();
      for (const connection of open) close(connection);
    },
  };

  function close(connection: Deno.Conn): void {
    open.delete(connection);
    try {
      connection.close();
    } catch {
      // The end of a stream has closed it.
    }
  }
}
