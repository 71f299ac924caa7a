import { assert, assertEquals } from "@std/assert";
import { relayTo } from "../../shared/connection/mod.ts";
import { eventually } from "../support/eventually.ts";
import { BINARY, CLOSE, type RawSocket, TEXT } from "../support/raw_socket.ts";
import { type Kernel, startKernel } from "../connection/kernel.ts";

const MIB = 1024 * 1024;
const PONG = 10;

/** Reads what there is to its end and answers it, until nothing is held for the client. */
async function readAll(kernel: Kernel, ...clients: RawSocket[]): Promise<void> {
  for (const client of clients) {
    assertEquals(await client.nextClose(), { code: 1013, reason: "slow_reader" });
    await client.sendFrame(CLOSE, new Uint8Array([0x03, 0xf5]));
  }
  await eventually("nothing is held", async () => (await kernel.health()).closing_bytes === 0);
}

Deno.test("a client that stops reading is dropped with 1013 at maxBufferedBytes, memory stays flat, others go on", async () => {
  await using kernel = startKernel(() => relayTo(target.pid), { maxBufferedBytes: MIB });
  const target = kernel.spawnTarget();
  await using reader = await kernel.connect();
  const fast = (await target.next("ws.join")).client_pid;
  using stalled = await kernel.connectRaw();
  const slow = (await target.next("ws.join")).client_pid;

  const before = Deno.memoryUsage().rss;
  const frame = { type: "binary", data: new Uint8Array(64 * 1024) };
  let sent = 0;
  // 100 MiB if nobody stopped it. Each frame waits for the fast client to have it, as others must not be held up.
  for (; sent < 1_600 && kernel.processes.isAlive(slow); sent++) {
    kernel.processes.send(slow, "ws.send", frame);
    kernel.processes.send(fast, "ws.send", { type: "text", data: `${sent}` });
    assertEquals(await reader.next(), `${sent}`);
  }
  assertEquals(kernel.processes.isAlive(slow), false);
  assertEquals((await target.next("ws.leave")).reason, "slow_reader");
  const grown = Deno.memoryUsage().rss - before;
  assert(grown < 40 * MIB, `memory has grown by ${grown / MIB} MiB`);
  const { connections, counters } = await kernel.health();
  assertEquals([connections, counters.refused], [1, { slow_reader: 1 }]);
  kernel.processes.send(fast, "ws.close", {});
  await eventually("nothing holds the isolate for it", () => kernel.held.settled === 1);

  // What had been queued is there when it reads again, then the reason.
  let read = 0;
  for (;;) {
    const next = await stalled.nextFrame();
    if (next?.opcode !== BINARY) {
      assertEquals(new TextDecoder().decode(next?.payload.subarray(2)), "slow_reader");
      assertEquals(new DataView(next!.payload.buffer).getUint16(0), 1013);
      break;
    }
    read++;
  }
  // The last one sent is the one that was refused.
  assertEquals(read, sent - 1);
});

Deno.test("over the bound of the isolate the one for whom most waits is dropped, and counts until its socket is gone", async () => {
  await using kernel = startKernel(() => relayTo(target.pid), {
    maxBufferedBytes: 100 * MIB,
    maxBufferedBytesTotal: 16 * MIB,
  });
  const target = kernel.spawnTarget();
  await using reader = await kernel.connect();
  const fast = (await target.next("ws.join")).client_pid;
  using _less = await kernel.connectRaw();
  const less = (await target.next("ws.join")).client_pid;
  using most = await kernel.connectRaw();
  const slow = (await target.next("ws.join")).client_pid;

  const frame = { type: "binary", data: new Uint8Array(64 * 1024) };
  for (let sent = 0; sent < 1_600 && kernel.processes.isAlive(slow); sent++) {
    kernel.processes.send(slow, "ws.send", frame);
    if (sent % 3 === 0) kernel.processes.send(less, "ws.send", frame);
    kernel.processes.send(fast, "ws.send", { type: "text", data: `${sent}` });
    assertEquals(await reader.next(), `${sent}`);
  }
  assertEquals((await target.next("ws.leave")).client_pid, slow);
  assertEquals([less, fast].map((pid) => kernel.processes.isAlive(pid)), [true, true]);
  const { counters, buffered_bytes, closing_bytes } = await kernel.health();
  assertEquals(counters.refused, { slow_reader: 1 });
  assert(closing_bytes > buffered_bytes && buffered_bytes > 0, `${closing_bytes} and ${buffered_bytes} bytes`);
  assert(closing_bytes + buffered_bytes < 20 * MIB, `${closing_bytes} and ${buffered_bytes} bytes`);
  await readAll(kernel, most);
});

Deno.test("of those who stall again and again the isolate takes no more than its bound, and closes nobody who reads for them", async () => {
  const userOf = (request: Request) => new URL(request.url).searchParams.get("user");
  await using kernel = startKernel(
    (_kernel, request) => relayTo(target.pid, { metadata: { user_id: userOf(request) } }),
    { maxBufferedBytes: MIB, maxBufferedBytesTotal: 4 * MIB, maxConnectionsPerUser: 5 },
  );
  const target = kernel.spawnTarget();
  const frame = { type: "binary", data: new Uint8Array(64 * 1024) };
  await using reader = await kernel.connect("/?user=ann");
  const fast = (await target.next("ws.join")).client_pid;
  const stalled: RawSocket[] = [];
  for (let n = 0; n < 4; n++) {
    const client = await kernel.connectRaw("/?user=bob");
    stalled.push(client);
    const slow = (await target.next("ws.join")).client_pid;
    for (let sent = 0; sent < 1_600 && kernel.processes.isAlive(slow); sent++) {
      kernel.processes.send(slow, "ws.send", frame);
      if (sent % 8 === 0) {
        kernel.processes.send(fast, "ws.send", { type: "text", data: `${sent}` });
        assertEquals(await reader.next(), `${sent}`);
      }
    }
    assertEquals((await target.next("ws.leave")).reason, "slow_reader");
    // The runtime says "closed" to that, and frees nothing.
    await client.sendFrame(PONG, "");
  }
  const { connections, closing_bytes } = await kernel.health();
  assertEquals(connections, 1);
  assert(closing_bytes > 4 * MIB && closing_bytes < 6 * MIB, `${closing_bytes} bytes`);
  for (const user of ["bob", "eve"]) {
    await using refused = await kernel.connect(`/?user=${user}`);
    assertEquals((await refused.closed).code, 1013, "so much is held that nobody may come");
  }
  kernel.processes.send(fast, "ws.send", { type: "text", data: "still here" });
  assertEquals(await reader.next(), "still here");

  await readAll(kernel, ...stalled);
  for (const client of stalled) client[Symbol.dispose]();
  for (let n = 0; n < 5; n++) await (await kernel.connect("/?user=bob")).close();
});

Deno.test("a place is kept while the runtime holds what its client has not read", async () => {
  await using kernel = startKernel(() => relayTo(target.pid, { metadata: { user_id: "bob" } }), {
    maxBufferedBytes: MIB,
    maxConnectionsPerUser: 1,
  });
  const target = kernel.spawnTarget();
  using stalled = await kernel.connectRaw();
  const slow = (await target.next("ws.join")).client_pid;
  const frame = { type: "binary", data: new Uint8Array(64 * 1024) };
  for (let sent = 0; kernel.processes.isAlive(slow); sent++) {
    kernel.processes.send(slow, "ws.send", frame);
    await kernel.health(); // Meanwhile the network takes what it takes.
  }
  await using second = await kernel.connect();
  assertEquals((await second.closed).code, 4429);
  await readAll(kernel, stalled);
  await using third = await kernel.connect();
  await target.next("ws.join");
  await third.close();
});

Deno.test("echoes that a client does not read are bounded as well", async () => {
  await using kernel = startKernel(({ processes }) =>
    relayTo(processes.spawn({
      "ws.message": ({ client_pid, data }: { client_pid: string; data: unknown }) =>
        processes.send(client_pid, "ws.send", { type: "text", data }),
    })), { maxBufferedBytes: MIB, bytesPerSecond: 1e9, messagesPerSecond: 1e6 });
  const before = Deno.memoryUsage().rss;
  using stalled = await kernel.connectRaw();
  const frame = "x".repeat(64 * 1024);
  // The server goes on reading while the buffers of the network fill; then it drops the client.
  const sending = (async () => {
    for (let i = 0; i < 1_600; i++) await stalled.sendFrame(TEXT, frame);
  })().catch(() => {});
  await eventually("the client is dropped", async () => (await kernel.health()).counters.refused.slow_reader === 1);
  await readAll(kernel, stalled);
  stalled[Symbol.dispose]();
  await sending;
  await kernel.idle(1);
  assert(Deno.memoryUsage().rss - before < 60 * MIB, `memory grew by ${(Deno.memoryUsage().rss - before) / MIB} MiB`);
});
