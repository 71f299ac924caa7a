import { assert, assertEquals } from "@std/assert";
import { relayTo } from "../../shared/connection/mod.ts";
import { eventually } from "../support/eventually.ts";
import { BINARY, TEXT } from "../support/raw_socket.ts";
import { startKernel } from "../connection/kernel.ts";

const MIB = 1024 * 1024;

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
  most[Symbol.dispose]();
  await eventually("nothing is held for it", async () => (await kernel.health()).closing_bytes === 0);
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
  stalled[Symbol.dispose]();
  await sending;
  await kernel.idle(1);
  assert(Deno.memoryUsage().rss - before < 60 * MIB, `memory grew by ${(Deno.memoryUsage().rss - before) / MIB} MiB`);
});
