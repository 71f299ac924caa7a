import { assertEquals, assertRejects } from "@std/assert";
import { serve } from "./serve.ts";
import { openSocket, TestSocket } from "./socket.ts";
import { BINARY, CLOSE, RawSocket, TEXT } from "./raw_socket.ts";

function echo(request: Request): Response {
  if (request.headers.get("upgrade") !== "websocket") return new Response("plain", { status: 404 });
  const { socket, response } = Deno.upgradeWebSocket(request);
  socket.onmessage = ({ data }) => data === "go" ? socket.close(4000, "as told") : socket.send(data);
  return response;
}

Deno.test("TestSocket gives frames in order, then the close", async () => {
  await using served = serve(echo);
  await using client = await openSocket(served.socketUrl);
  client.send("one");
  client.send(new Uint8Array([2]));
  client.sendJson({ type: "three" });
  client.send("go");
  assertEquals(await client.next(), "one");
  assertEquals(await client.next(), new Uint8Array([2]).buffer);
  assertEquals(await client.nextOfType("three"), { type: "three" });
  await assertRejects(() => client.next(), Error, "closed 4000 before a frame came: as told");
  assertEquals(await client.closed, { code: 4000, reason: "as told" });
});

Deno.test("TestSocket says that a handshake failed", async () => {
  await using served = serve(() => new Response("no", { status: 403 }));
  await assertRejects(() => new TestSocket(served.socketUrl).open(), Error, "before it opened");
});

Deno.test("RawSocket shakes hands, and sends and reads frames of every length", async () => {
  await using served = serve(echo);
  using client = await RawSocket.connect(served.host);
  assertEquals((await client.handshake()).status, 101);
  for (const length of [0, 125, 126, 65_535, 65_536]) {
    const payload = new Uint8Array(length).fill(7);
    await client.sendFrame(BINARY, payload);
    assertEquals(await client.nextFrame(), { fin: true, opcode: BINARY, payload });
  }
  await client.sendFrame(TEXT, "in ", { fin: false });
  await client.sendFrame(0, "two");
  assertEquals(new TextDecoder().decode((await client.nextFrame())?.payload), "in two");
  await client.sendFrame(TEXT, "go");
  assertEquals(await client.nextClose(), { code: 4000, reason: "as told" });
  await client.sendFrame(CLOSE, new Uint8Array([0x0f, 0xa0]));
  assertEquals(await client.nextFrame(), undefined);
});

Deno.test("RawSocket reads an answer that is no upgrade", async () => {
  await using served = serve(echo);
  using client = await RawSocket.connect(served.host);
  const { status, body } = await client.handshake({ headers: { Upgrade: undefined } });
  assertEquals([status, body], [404, "plain"]);
});
