import { assert, assertEquals } from "@std/assert";
import { openTcpProxy } from "./tcp_proxy.ts";

const LINE = 6;

/** A server that sends back what it gets. */
function echo() {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const serving = (async () => {
    for await (const conn of listener) conn.readable.pipeTo(conn.writable).catch(() => {});
  })();
  return {
    port: listener.addr.port,
    async [Symbol.asyncDispose]() {
      listener.close();
      await serving;
    },
  };
}

async function readText(conn: Deno.Conn, length: number): Promise<string> {
  const bytes = new Uint8Array(length);
  for (let read = 0; read < length;) {
    const count = await conn.read(bytes.subarray(read));
    if (count === null) return "the end";
    read += count;
  }
  return new TextDecoder().decode(bytes);
}

Deno.test("a delay that ends lets nothing overtake what waits", async () => {
  await using server = echo();
  await using proxy = await openTcpProxy(server.port);
  using conn = await Deno.connect({ hostname: "127.0.0.1", port: proxy.port });
  const write = (text: string) => conn.write(new TextEncoder().encode(text));
  await write("early ");
  assertEquals(await readText(conn, LINE), "early ");
  proxy.delayMs = 100;
  const sentAt = performance.now();
  await write("first ");
  setTimeout(() => proxy.delayMs = 0, 50);
  await new Promise((resolve) => setTimeout(resolve, 60));
  await write("second");
  assertEquals(await readText(conn, 2 * LINE), "first second");
  assert(performance.now() - sentAt >= 99, "the first was late");
});

Deno.test("a cut ends the connection it picks, and no other", async () => {
  await using server = echo();
  await using proxy = await openTcpProxy(server.port);
  const open = async () => {
    const conn = await Deno.connect({ hostname: "127.0.0.1", port: proxy.port });
    await conn.write(new TextEncoder().encode("hello!"));
    await readText(conn, LINE);
    return conn;
  };
  using one = await open();
  using other = await open();
  proxy.cut(0.9);
  assertEquals(await readText(other, LINE).catch(() => "reset"), "reset");
  await one.write(new TextEncoder().encode("still!"));
  assertEquals(await readText(one, LINE), "still!");
});
