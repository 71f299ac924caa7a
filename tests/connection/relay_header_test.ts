import { assert, assertEquals } from "@std/assert";
import { relayTo } from "../../shared/connection/mod.ts";
import { RawSocket } from "../support/raw_socket.ts";
import { startKernel } from "./kernel.ts";

Deno.test("a target hears ws.join, each frame, ws.heartbeat and ws.leave, with the fields that are promised", async () => {
  const metadata = { user_id: "ada", room: "lobby", name: "Ada 🦊 \u007f\n" };
  await using kernel = startKernel(() =>
    relayTo(target.pid, { messageTopic: "chat.frame", heartbeatInterval: "20ms", metadata })
  );
  const target = kernel.spawnTarget();
  await using client = await kernel.connect();
  const { client_pid } = await target.next("ws.join");
  assert(/^test\.\d+$/.test(client_pid));
  assertEquals(target.heard[0]?.payload, { client_pid, metadata }, "it hears of nothing before");

  client.send("grüß dich");
  assertEquals(await target.next("chat.frame"), { client_pid, type: "text", data: "grüß dich", metadata });
  client.send(new Uint8Array([0, 255, 7]));
  const data = new Uint8Array([0, 255, 7]).buffer;
  assertEquals(await target.next("chat.frame"), { client_pid, type: "binary", data, metadata });

  // A beat may have come before the frames did.
  let beat = await target.next("ws.heartbeat");
  while (beat.message_count < 2) beat = await target.next("ws.heartbeat");
  assertEquals(Object.keys(beat).sort(), ["client_pid", "message_count", "uptime"]);
  assertEquals([beat.client_pid, beat.message_count], [client_pid, 2]);
  assert(beat.uptime > 0 && beat.uptime < 10, `uptime is in seconds: ${beat.uptime}`);

  assertEquals(await client.close(4321, "my own"), { code: 4321, reason: "my own" });
  assertEquals(await target.next("ws.leave"), { client_pid, reason: "closed", metadata });
});

Deno.test("X-WS-Relay needs nothing but target_pid", async () => {
  await using kernel = startKernel(() =>
    new Response(null, { headers: { "x-ws-relay": JSON.stringify({ target_pid: target.pid }) } })
  );
  const target = kernel.spawnTarget();
  await using client = await kernel.connect();
  const { client_pid, ...rest } = await target.next("ws.join");
  assertEquals(rest, { metadata: {} });
  client.send("x");
  assertEquals(await target.next("ws.message"), { client_pid, type: "text", data: "x", metadata: {} });
  await client.close();
  await target.next("ws.leave");
  assertEquals(
    target.heard.map(({ topic }) => topic),
    ["ws.join", "ws.message", "ws.leave"],
    "no heartbeat by default",
  );
});

Deno.test("X-WS-Relay never leaves the server", async () => {
  await using kernel = startKernel((kernel, request) => {
    const response = relayTo(kernel.spawnTarget().pid, { metadata: { secret: "s3cret" }, controlFrames: false });
    return new URL(request.url).pathname === "/bad"
      ? new Response(null, { headers: { "X-WS-Relay": "{s3cret" } })
      : response;
  }, { http: () => relayTo("nobody", { metadata: { secret: "s3cret" }, controlFrames: false }) });
  for (const path of ["/", "/bad"]) {
    using client = await RawSocket.connect(kernel.host);
    const { status, headers } = await client.handshake({ path });
    assertEquals(status, 101);
    assertEquals(JSON.stringify([...headers]).includes("s3cret"), false);
    assertEquals([...headers.keys()].filter((name) => name.startsWith("x-ws")), []);
  }
  const plain = await fetch(kernel.url);
  await plain.body?.cancel();
  assertEquals([...plain.headers.keys()].filter((name) => name.startsWith("x-ws")), []);
});

Deno.test("a response without the header goes to the caller as it is", async () => {
  await using kernel = startKernel(() => new Response("elsewhere", { status: 302, headers: { Location: "/there" } }));
  using client = await RawSocket.connect(kernel.host);
  const { status, headers, body } = await client.handshake();
  assertEquals([status, headers.get("location"), body], [302, "/there", "elsewhere"]);
  assertEquals(kernel.held.promises.length, 0);
});

Deno.test("the frames that a target sends come in order, text and binary, whoever sends them", async () => {
  await using kernel = startKernel(() => relayTo(target.pid));
  const target = kernel.spawnTarget();
  await using client = await kernel.connect();
  const { client_pid } = await target.next("ws.join");
  const shared = { type: "binary", data: new Uint8Array([1, 2, 3]).subarray(1) };
  kernel.processes.send(client_pid, "ws.send", { type: "text", data: "zwölf" });
  kernel.processes.send(client_pid, "ws.send", shared);
  kernel.processes.send(client_pid, "ws.send", { type: "binary", data: new Uint8Array([4]).buffer });
  kernel.processes.send(client_pid, "ws.send", shared);
  kernel.processes.send(client_pid, "ws.close", { code: 4001, reason: "that was all" });
  kernel.processes.send(client_pid, "ws.send", { type: "text", data: "too late" });
  const frames = [await client.next(), await client.next(), await client.next(), await client.next()];
  assertEquals(frames, ["zwölf", bytes(2, 3), bytes(4), bytes(2, 3)]);
  assertEquals(await client.closed, { code: 4001, reason: "that was all" });
  assertEquals(client.waiting, []);
});

Deno.test("what was sent before a close arrives before it, however much it is", async () => {
  await using kernel = startKernel(() => relayTo(target.pid), { maxBufferedBytes: 2 ** 26 });
  const target = kernel.spawnTarget();
  await using client = await kernel.connect();
  const { client_pid } = await target.next("ws.join");
  const data = new Uint8Array(100_000);
  for (let i = 0; i < 100; i++) kernel.processes.send(client_pid, "ws.send", { type: "binary", data });
  kernel.processes.send(client_pid, "ws.close", {});
  assertEquals(await client.closed, { code: 1000, reason: "closed" });
  assertEquals(client.waiting.length, 100);
});

function bytes(...values: number[]): ArrayBuffer {
  return new Uint8Array(values).buffer;
}
